package phone

import (
	"fmt"
	"net/url"
)

// SetQuietHours has no request wake the user of a device from one time of the day
// to another, as hh:mm in a time zone (IANA). An empty zone takes that away.
func (p *Phone) SetQuietHours(device, zone, from, to string) error {
	in := map[string]string{}
	if zone != "" {
		in = map[string]string{"zone": zone, "from": from, "to": to}
	}
	if err := p.post("/v1/devices/"+url.PathEscape(device)+"/quiet-hours", in, nil); err != nil {
		return fmt.Errorf("set quiet hours: %w", err)
	}
	return nil
}
