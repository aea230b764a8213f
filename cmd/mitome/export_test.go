package main

// For the tests outside the package.
var (
	Commands = commands
	RunPage  = runPage
)
