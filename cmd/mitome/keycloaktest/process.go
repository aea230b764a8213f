package keycloaktest

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
)

// watch kills a process group when its standard input ends. A test binary that
// panics or is killed runs no cleanup; the kernel closes its pipes all the same.
const watch = `read -r _; kill -KILL -- "-$1"`

// Process is a program that does not outlive the test binary.
type Process struct {
	cmd     *exec.Cmd
	watcher *exec.Cmd
	leash   io.Closer // holds the watcher back
	once    sync.Once
}

// Spawn starts a program with more environment, its output appended to a file.
func Spawn(log string, env []string, program string, args ...string) (*Process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	defer out.Close()

	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", program, err)
	}
	p := &Process{cmd: cmd}
	p.watcher = exec.Command("sh", "-c", watch, "watch", strconv.Itoa(cmd.Process.Pid))
	p.watcher.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt of the terminal must not end it first
	if p.leash, err = p.watcher.StdinPipe(); err == nil {
		err = p.watcher.Start()
	}
	if err != nil {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		cmd.Wait()
		return nil, fmt.Errorf("watch %s: %w", program, err)
	}
	return p, nil
}

// Kill ends the process as kill -9 does, without a chance to say goodbye, and
// returns when it is gone.
func (p *Process) Kill() {
	p.once.Do(func() {
		p.watcher.Process.Kill()
		p.watcher.Wait()
		p.leash.Close()
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		p.cmd.Wait() // its error is that we killed it
	})
}
