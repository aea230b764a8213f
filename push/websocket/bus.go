package websocket

// Bus carries short words between nodes. It may lose them: nothing here is the
// only way by which anybody learns anything. Package server/store implements
// it, in process on SQLite and by LISTEN/NOTIFY on PostgreSQL.
type Bus interface {
	// Publish tells every subscriber of topic, this node's own among them. It
	// does not wait for them. A payload has at most 1,000 bytes.
	Publish(topic, payload string)
	// Subscribe has fn called with each payload, in order, until cancel is
	// called. Fn does not block.
	Subscribe(topic string, fn func(payload string)) (cancel func())
}

// The topics of the bus.
const (
	topicFrame = "websocket.frame" // a frame, for whoever holds the device's sockets
	topicAck   = "websocket.ack"   // a client acknowledged a frame
	topicJoin  = "websocket.join"  // a session stands for one device more
	topicLeave = "websocket.leave" // a session is over

	// TopicRevoked carries the id of a device that was revoked a moment ago. The
	// store publishes it once the revocation is committed.
	TopicRevoked = "device.revoked"
)
