package keyset_test

import (
	"testing"

	"github.com/mitome-ciba/mitome/approval/op/keyset"
)

// FuzzParse: what is taken of a published set are public signature keys, under
// their own names.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		``, `{}`, `{"keys":[]}`, `{"keys":[null,1,"x",{}]}`, `{"keys":[{"kty":"oct","kid":"a","k":"c2VjcmV0"}]}`,
		`{"keys":[{"kty":"EC","kid":"a","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`,
		`{"keys":[{"kty":"EC","kid":"a","crv":"P-256","x":"AA","y":"AA"}]}`,
		`{"keys":[{"kty":"EC","kid":"a","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}]}`,
		`{"keys":[{"kty":"OKP","kid":"b","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","use":"enc"}]}`,
		`{"keys":[{"kty":"RSA","kid":"c","n":"AQAB","e":"AQAB"}]}`, `{"keys":[{"kty":"RSA","kid":"c","n":"","e":""}]}`,
		`{"keys":[{"kty":"AKP","kid":"d","alg":"ML-DSA-65","pub":"AA"}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		keys, err := keyset.Parse(body)
		if (err == nil) != (len(keys) > 0) {
			t.Fatalf("got %d keys, %v", len(keys), err)
		}
		for name, k := range keys {
			if name == "" || name != k.KeyID || !k.IsPublic() || !k.Valid() {
				t.Fatalf("took %q as %q: public %v, valid %v", k.KeyID, name, k.IsPublic(), k.Valid())
			}
		}
	})
}
