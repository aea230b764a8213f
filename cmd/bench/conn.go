package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
)

// conn is one kept-alive HTTP connection, used by one goroutine at a time. It is
// a third of the work of an http.Client, and what the load takes of the machine
// is missing to what it is put on.
type conn struct {
	address string
	c       net.Conn
	r       *bufio.Reader
	buf     bytes.Buffer
}

// call sends one request and returns the answer's body. Header holds whole
// lines, each with its CRLF. An answer other than 2xx is an error.
func (c *conn) call(method, path, header string, body []byte) ([]byte, error) {
	if c.c == nil {
		if err := c.dial(); err != nil {
			return nil, err
		}
	}
	c.buf.Reset()
	fmt.Fprintf(&c.buf, "%s %s HTTP/1.1\r\nHost: %s\r\n%s", method, path, c.address, header)
	if method != http.MethodGet {
		fmt.Fprintf(&c.buf, "Content-Length: %d\r\n", len(body))
	}
	if len(body) > 0 {
		c.buf.WriteString("Content-Type: application/json\r\n")
	}
	c.buf.WriteString("\r\n")
	c.buf.Write(body)
	if _, err := c.c.Write(c.buf.Bytes()); err != nil {
		return nil, errors.Join(fmt.Errorf("%s %s: %w", method, path, err), c.close())
	}
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s %s: %w", method, path, err), c.close())
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return nil, errors.Join(fmt.Errorf("%s %s: %w", method, path, err), c.close())
	case resp.StatusCode/100 != 2:
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, out)
	case resp.Close:
		return out, c.close()
	}
	return out, nil
}

func (c *conn) dial() (err error) {
	if c.c, err = net.Dial("tcp", c.address); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	c.r = bufio.NewReaderSize(c.c, 4<<10)
	return nil
}

func (c *conn) close() error {
	if c.c == nil {
		return nil
	}
	err := c.c.Close()
	c.c = nil
	return err
}
