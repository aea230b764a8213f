package userapi

import "encoding/json"

// MinuteOf is minuteOf, for fuzzing.
var MinuteOf = minuteOf

// AssertionOf reads the body of a decision and returns the assertion in it.
func AssertionOf(body []byte) ([]byte, error) {
	var a answer
	err := json.Unmarshal(body, &a)
	return a.Assertion.raw, err
}
