package main

import (
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"sync"

	"github.com/gorilla/websocket"
	"golang.org/x/sync/errgroup"
)

// crowd are the phones that hold a socket and do nothing but acknowledge.
type crowd struct {
	service
	mu      sync.Mutex
	sockets []*websocket.Conn
	reading sync.WaitGroup
}

// connect opens a socket for each device.
func (c *crowd) connect(hub string) error {
	var g errgroup.Group
	g.SetLimit(connecting)
	for i := range subscribers {
		g.Go(func() error {
			d := websocket.Dialer{Subprotocols: []string{"mitome.v1"}, ReadBufferSize: 512, WriteBufferSize: 512, NetDial: c.dial}
			conn, _, err := d.Dial("ws://"+hub+"/?device="+strconv.Itoa(i), nil)
			if err != nil {
				return fmt.Errorf("open socket: %w", err)
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.sockets = append(c.sockets, conn)
			c.reading.Go(func() { c.read(conn) })
			return nil
		})
	}
	return g.Wait()
}

func (c *crowd) dial(network, address string) (net.Conn, error) {
	conn, err := net.Dial(network, address)
	if err != nil {
		return nil, err
	}
	return counted{conn, &c.bytes}, nil
}

// read acknowledges what comes until the socket is closed.
func (c *crowd) read(conn *websocket.Conn) {
	for {
		_, body, err := conn.ReadMessage()
		if err != nil {
			return
		}
		var f frame
		if json.Unmarshal(body, &f) != nil || f.ID == "" {
			c.refused.Add(1)
			continue
		}
		c.pushes.Add(1)
		if conn.WriteJSON(frame{Type: "ack", ID: f.ID}) != nil {
			return
		}
	}
}

func (c *crowd) close() {
	c.mu.Lock()
	for _, conn := range c.sockets {
		conn.Close()
	}
	c.mu.Unlock()
	c.reading.Wait()
}
