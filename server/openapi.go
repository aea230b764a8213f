package server

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/mitome-ciba/mitome/server/adminapi"
	"github.com/mitome-ciba/mitome/server/deskapi"
	v1 "github.com/mitome-ciba/mitome/server/opapi/v1"
	"github.com/mitome-ciba/mitome/server/session"
	"github.com/mitome-ciba/mitome/server/userapi"
	"github.com/mitome-ciba/mitome/server/web"
)

// Document is the OpenAPI 3.1 description of one JSON API.
type Document struct {
	Name string // of its file in docs/openapi
	YAML []byte
}

// Documents returns the description of every JSON API, as it is served and as it
// stands in docs/openapi.
func Documents(version string) ([]Document, error) {
	sessions := &session.Keeper{}
	var out []Document
	for _, api := range []struct {
		name  string
		mount func(*gin.Engine) huma.API
	}{
		{"admin", func(e *gin.Engine) huma.API {
			return (&adminapi.API{Guard: &adminapi.Guard{}, Version: version}).Mount(e, &e.RouterGroup)
		}},
		{"desk", func(e *gin.Engine) huma.API {
			return (&deskapi.Handler{Sessions: sessions, Version: version}).Mount(e, &e.RouterGroup)
		}},
		{"devices", func(e *gin.Engine) huma.API {
			return (&userapi.Handler{Sessions: sessions, Version: version}).Mount(e, &e.RouterGroup)
		}},
		{"ops", func(e *gin.Engine) huma.API {
			return (&v1.Handler{Version: version}).Mount(e, &e.RouterGroup)
		}},
	} {
		e, err := web.NewEngine(slog.New(slog.DiscardHandler), nil)
		if err != nil {
			return nil, err
		}
		text, err := api.mount(e).OpenAPI().YAML()
		if err != nil {
			return nil, fmt.Errorf("describe %s: %w", api.name, err)
		}
		out = append(out, Document{api.name, text})
	}
	return out, nil
}

// publish serves the description of api, to anybody: it holds no secret.
func publish(e gin.IRoutes, path string, api huma.API) error {
	text, err := api.OpenAPI().MarshalJSON()
	if err != nil {
		return fmt.Errorf("describe %s: %w", path, err)
	}
	e.GET(path, func(c *gin.Context) { c.Data(http.StatusOK, "application/openapi+json", text) })
	return nil
}
