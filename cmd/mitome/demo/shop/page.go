package shop

import (
	"embed"
	"net/http"

	"github.com/mitome-ciba/mitome/cmd/mitome/demo/counter"
)

//go:embed page.html static words
var files embed.FS

// sheet is what the template sees.
type sheet struct {
	*counter.Speaker
	Cases  []Case
	Modes  []Mode
	Name   string
	Phone  string // where the phone's pages begin
	Kiosk  string // the page of the kiosk; empty: there is none
	Paired bool
	After  int // what of the tape has passed already
}

// page is the one page of the shop.
func (s *Shop) page(w http.ResponseWriter, r *http.Request) error {
	paired, err := s.conf.Desk.Paired(r.Context())
	if err != nil {
		return err
	}
	return counter.Page(w, s.sheet, sheet{
		Speaker: s.words.Speak(r), Cases: Cases, Modes: Modes, Name: Name,
		Phone: s.conf.PhoneURL + "/", Kiosk: s.conf.KioskURL, Paired: paired, After: s.last(),
	})
}
