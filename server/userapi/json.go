package userapi

import (
	"bytes"
	"errors"

	"github.com/danielgtaylor/huma/v2"
)

// jsonObject is a JSON object that is passed on as it came, to the byte.
type jsonObject struct{ raw []byte }

// errNotObject is refused by huma, with the place where it stood.
var errNotObject = errors.New("expected object")

// UnmarshalJSON implements json.Unmarshaler. Null is as good as absent, as it is
// in every other field that may be left out.
func (o *jsonObject) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	if len(b) == 0 || b[0] != '{' {
		return errNotObject
	}
	o.raw = bytes.Clone(b)
	return nil
}

// Schema implements huma.SchemaProvider.
func (*jsonObject) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}
}
