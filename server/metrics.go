package server

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Metrics is what Mitome counts. Labels are words from closed lists and names
// from the configuration; never an id, a client, a user or a secret, because
// whoever scrapes may see them and each value is a series for ever.
type Metrics struct {
	Registry *prometheus.Registry

	requests   *prometheus.CounterVec
	messages   *prometheus.CounterVec
	decisions  *prometheus.CounterVec
	reports    *prometheus.CounterVec
	deliveries *prometheus.CounterVec
	sockets    *prometheus.CounterVec
	violations *prometheus.CounterVec
	quiet      *prometheus.CounterVec
	asks       *prometheus.CounterVec
	calls      *prometheus.HistogramVec
}

// callBuckets are finest where the promise is: an OP hears from us in 10 ms.
var callBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// NewMetrics returns metrics with everything registered, the Go runtime too.
func NewMetrics(version string) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "mitome", Name: name, Help: help}, labels)
	}
	m := &Metrics{
		Registry:   prometheus.NewRegistry(),
		requests:   counter("requests_total", "Requests from OPs, by what became of them at the door.", "op", "outcome"),
		messages:   counter("binding_message_marks_total", "Binding messages that were refused or vague.", "op", "mark"),
		decisions:  counter("decisions_total", "Requests that were settled.", "op", "verdict", "reason"),
		reports:    counter("reports_total", "Attempts to tell an OP how a request ended.", "op", "outcome"),
		deliveries: counter("deliveries_total", "Attempts to reach a device.", "channel", "outcome"),
		sockets:    counter("socket_events_total", "What happened on WebSockets.", "event"),
		asks:       counter("refused_asks_total", "Requests that were refused because too much was asked.", "op", "reason"),
		quiet:      counter("quiet_requests_total", "Requests that were listed and not pushed.", "op", "reason"),
		violations: counter("page_violations_total", "What browsers report of pages that broke their Content-Security-Policy.", "directive"),
		calls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "mitome", Name: "http_call_duration_seconds", Help: "HTTP calls to Mitome.", Buckets: callBuckets,
		}, []string{"listener", "route", "method", "status"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "mitome", Name: "build_info", Help: "The version that runs.",
		ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.Registry.MustRegister(m.requests, m.messages, m.decisions, m.reports, m.deliveries, m.sockets, m.violations, m.quiet, m.asks, m.calls, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Request counts one request from an OP.
func (m *Metrics) Request(op, outcome string) { m.requests.WithLabelValues(op, outcome).Inc() }

// Message counts one mark that a binding message earned.
func (m *Metrics) Message(op, mark string) { m.messages.WithLabelValues(op, mark).Inc() }

// Decision counts one request that came to its end. A request that nobody
// answered has its state for a verdict.
func (m *Metrics) Decision(op, verdict, reason string) {
	m.decisions.WithLabelValues(op, verdict, reason).Inc()
}

// Report counts one attempt to tell an OP.
func (m *Metrics) Report(op, outcome string) { m.reports.WithLabelValues(op, outcome).Inc() }

// Delivery counts one attempt to reach a device.
func (m *Metrics) Delivery(channel, outcome string) {
	m.deliveries.WithLabelValues(channel, outcome).Inc()
}

// Socket counts one event of a WebSocket.
func (m *Metrics) Socket(event string) { m.sockets.WithLabelValues(event).Inc() }

// Violation counts one report of a browser. Anybody can send one.
func (m *Metrics) Violation(directive string) { m.violations.WithLabelValues(directive).Inc() }

// Quiet counts one request that was listed and not pushed.
func (m *Metrics) Quiet(op, reason string) { m.quiet.WithLabelValues(op, reason).Inc() }

// AskRefused counts one request that was refused because too much was asked.
func (m *Metrics) AskRefused(op, reason string) { m.asks.WithLabelValues(op, reason).Inc() }

// Gauge registers a value that is read when somebody scrapes.
func (m *Metrics) Gauge(name, help string, read func() float64) {
	m.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "mitome", Name: name, Help: help,
	}, read))
}

// PushBroken registers the alarm of one push channel: 1 while its service rejects
// our credentials.
func (m *Metrics) PushBroken(channel string, read func() bool) {
	m.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: "mitome", Name: "push_broken", Help: "1 while a push service rejects our credentials.",
		ConstLabels: prometheus.Labels{"channel": channel},
	}, func() float64 {
		if read() {
			return 1
		}
		return 0
	}))
}

// Backlog is how much the outbox has before it.
type Backlog struct {
	Jobs   int       // that have not ended
	Oldest time.Time // when the most overdue of them fell due; zero if none is due
}

// WatchBacklog registers gauges of the outbox. A database that does not answer
// in time leaves them out of the scrape, which is what an alert should see.
func (m *Metrics) WatchBacklog(read func(context.Context) (Backlog, error)) {
	m.Registry.MustRegister(&backlogCollector{
		read: read,
		jobs: prometheus.NewDesc("mitome_outbox_jobs", "Jobs that have not ended.", nil, nil),
		late: prometheus.NewDesc("mitome_outbox_oldest_due_seconds", "How long the most overdue job has been due.", nil, nil),
	})
}

type backlogCollector struct {
	read       func(context.Context) (Backlog, error)
	jobs, late *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (b *backlogCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- b.jobs
	ch <- b.late
}

// Collect implements prometheus.Collector.
func (b *backlogCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	defer cancel()
	got, err := b.read(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(b.jobs, err)
		return
	}
	late := 0.0
	if !got.Oldest.IsZero() {
		late = max(0, time.Since(got.Oldest).Seconds())
	}
	ch <- prometheus.MustNewConstMetric(b.jobs, prometheus.GaugeValue, float64(got.Jobs))
	ch <- prometheus.MustNewConstMetric(b.late, prometheus.GaugeValue, late)
}

// observe times every call of one listener, those that panic too.
func (m *Metrics) observe(listener string) gin.HandlerFunc {
	return func(c *gin.Context) {
		began, status := time.Now(), strconv.Itoa(http.StatusInternalServerError) // unless it ends well
		defer func() {
			m.calls.WithLabelValues(listener, labelRoute(c), labelMethod(c), status).Observe(time.Since(began).Seconds())
		}()
		c.Next()
		status = strconv.Itoa(c.Writer.Status())
	}
}

// labelRoute is the pattern of the route; what is no route of ours is one series,
// or anybody could make as many as there are paths.
func labelRoute(c *gin.Context) string {
	if c.FullPath() == "" {
		return "none"
	}
	return c.FullPath()
}

// labelMethod is the method of a route of ours.
func labelMethod(c *gin.Context) string {
	if c.FullPath() == "" {
		return "any"
	}
	return c.Request.Method
}
