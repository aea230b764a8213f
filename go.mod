module github.com/mitome-ciba/mitome

go 1.26.0

require (
	code.dny.dev/ssrf v0.3.0 // which addresses a user's URL may not lead to
	firebase.google.com/go/v4 v4.19.0 // push to Android apps; fixed
	github.com/alecthomas/kong v1.17.0 // the command line, with few dependencies of its own
	github.com/coreos/go-oidc/v3 v3.21.0 // signing users in at their OP; ID tokens of the CIBA client
	github.com/danielgtaylor/huma/v2 v2.38.0 // JSON APIs: checked input, OpenAPI 3.1, RFC 9457
	github.com/fxamacker/cbor/v2 v2.9.4 // CBOR of the software device's passkeys
	github.com/gin-gonic/gin v1.12.0 // HTTP routes; fixed
	github.com/go-jose/go-jose/v4 v4.1.8 // JWS and JWKS: Keycloak's bearer, DPoP, evidence
	github.com/go-webauthn/webauthn v0.18.2 // WebAuthn ceremonies; fixed
	github.com/google/go-cmp v0.7.0 // tests: readable differences
	github.com/gorilla/websocket v1.5.3 // WebSockets; fixed
	github.com/jackc/pgx/v5 v5.12.0 // PostgreSQL, with LISTEN
	github.com/knadh/koanf/parsers/yaml v1.1.1 // configuration: YAML
	github.com/knadh/koanf/providers/env/v2 v2.0.2 // configuration: environment
	github.com/knadh/koanf/providers/file v1.2.1 // configuration: file
	github.com/knadh/koanf/v2 v2.4.1 // configuration from several sources, with few dependencies of its own
	github.com/luikyv/go-oidc v0.23.0 // the demo's OP: CIBA in all three modes; pinned, its API is renamed often
	github.com/makiuchi-d/gozxing v0.1.1 // the demo's kiosk: reads the QR code in a picture
	github.com/maxmind/mmdbwriter v1.2.0 // tests: small files of places, in MaxMind's format
	github.com/nicksnyder/go-i18n/v2 v2.7.0 // catalogues of what a user reads
	github.com/oschwald/maxminddb-golang/v2 v2.9.0 // where an address is, from the operator's own file
	github.com/pressly/goose/v3 v3.28.0 // migrations, one set for both databases
	github.com/prometheus/client_golang v1.25.0 // metrics
	github.com/rivo/uniseg v0.4.7 // grapheme clusters: how long a text is to a person
	github.com/rogpeppe/go-internal v1.14.1 // file locks; tests: scripts of the command line
	github.com/sideshow/apns2 v0.25.0 // push to iOS apps; fixed
	github.com/standard-webhooks/standard-webhooks/libraries v0.0.1 // decisions to OPs of our own API, signed
	go.uber.org/goleak v1.3.0 // tests: goroutines that stay behind
	go.yaml.in/yaml/v3 v3.0.5 // templates: YAML with the line of each fault; koanf reads with it too
	golang.org/x/crypto v0.58.0 // argon2id, for a secret as short as a user's own code
	golang.org/x/net v0.61.0 // public suffixes: what would be a link
	golang.org/x/oauth2 v0.37.0 // the code flow of that, with PKCE
	golang.org/x/sync v0.24.0 // errgroup: what lives and falls together
	golang.org/x/sys v0.49.0 // who is at the other end of a Unix socket
	golang.org/x/text v0.43.0 // NFC, NFKC, language matching
	golang.org/x/time v0.16.0 // rate limits of one node
	google.golang.org/api v0.264.0 // options of the Firebase SDK: its HTTP client, its endpoint
	modernc.org/sqlite v1.60.1 // SQLite without cgo; binds $n by number
	pgregory.net/rapid v1.3.0 // tests: any history of a request, and the shortest that shows a fault
	rsc.io/qr v0.2.0 // QR codes
)

require (
	github.com/chromedp/cdproto v0.159.0 // tests: the protocol of chromedp
	github.com/chromedp/chromedp v0.23.0 // tests: a real browser
)

require (
	cel.dev/expr v0.25.2 // indirect
	cloud.google.com/go v0.123.0 // indirect
	cloud.google.com/go/auth v0.18.2 // indirect
	cloud.google.com/go/auth/oauth2adapt v0.2.8 // indirect
	cloud.google.com/go/compute/metadata v0.9.0 // indirect
	cloud.google.com/go/firestore v1.21.0 // indirect
	cloud.google.com/go/iam v1.5.3 // indirect
	cloud.google.com/go/longrunning v0.8.0 // indirect
	cloud.google.com/go/monitoring v1.24.3 // indirect
	cloud.google.com/go/storage v1.56.0 // indirect
	github.com/GoogleCloudPlatform/opentelemetry-operations-go/detectors/gcp v1.33.0 // indirect
	github.com/GoogleCloudPlatform/opentelemetry-operations-go/exporter/metric v0.53.0 // indirect
	github.com/GoogleCloudPlatform/opentelemetry-operations-go/internal/resourcemapping v0.53.0 // indirect
	github.com/MicahParks/keyfunc v1.9.0 // indirect
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/bytedance/gopkg v0.1.4 // indirect
	github.com/bytedance/sonic v1.15.0 // indirect
	github.com/bytedance/sonic/loader v0.5.1 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/cloudwego/base64x v0.1.6 // indirect
	github.com/cncf/xds/go v0.0.0-20260202195803-dba9d589def2 // indirect
	github.com/dustin/go-humanize v1.0.1 // indirect
	github.com/envoyproxy/go-control-plane/envoy v1.37.0 // indirect
	github.com/envoyproxy/protoc-gen-validate v1.3.3 // indirect
	github.com/felixge/httpsnoop v1.1.0 // indirect
	github.com/fsnotify/fsnotify v1.9.0 // indirect
	github.com/gabriel-vasile/mimetype v1.4.13 // indirect
	github.com/gin-contrib/sse v1.1.1 // indirect
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	github.com/go-logr/logr v1.4.4 // indirect
	github.com/go-logr/stdr v1.2.2 // indirect
	github.com/go-playground/locales v0.14.1 // indirect
	github.com/go-playground/universal-translator v0.18.1 // indirect
	github.com/go-playground/validator/v10 v10.30.2 // indirect
	github.com/go-viper/mapstructure/v2 v2.5.0 // indirect
	github.com/go-webauthn/x v0.3.1 // indirect
	github.com/goccy/go-json v0.10.6 // indirect
	github.com/goccy/go-yaml v1.19.2 // indirect
	github.com/golang-jwt/jwt/v4 v4.5.2 // indirect; of apns2, which asks for one with GO-2025-3553
	github.com/golang-jwt/jwt/v5 v5.3.1 // indirect
	github.com/golang/protobuf v1.5.4 // indirect
	github.com/google/go-tpm v0.9.8 // indirect
	github.com/google/s2a-go v0.1.9 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/googleapis/enterprise-certificate-proxy v0.3.11 // indirect
	github.com/googleapis/gax-go/v2 v2.17.0 // indirect
	github.com/jackc/pgpassfile v1.0.0 // indirect
	github.com/jackc/pgservicefile v0.0.0-20240606120523-5a60cdf6a761 // indirect
	github.com/jackc/puddle/v2 v2.2.3 // indirect
	github.com/json-iterator/go v1.1.12 // indirect
	github.com/klauspost/cpuid/v2 v2.3.0 // indirect
	github.com/knadh/koanf/maps v0.1.2 // indirect
	github.com/leodido/go-urn v1.4.0 // indirect
	github.com/mattn/go-isatty v0.0.24 // indirect
	github.com/mfridman/interpolate v0.0.2 // indirect
	github.com/mitchellh/copystructure v1.2.0 // indirect
	github.com/mitchellh/reflectwalk v1.0.2 // indirect
	github.com/modern-go/concurrent v0.0.0-20180306012644-bacd9c7ef1dd // indirect
	github.com/modern-go/reflect2 v1.0.2 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/ncruces/go-strftime v1.0.0 // indirect
	github.com/pelletier/go-toml/v2 v2.3.0 // indirect
	github.com/philhofer/fwd v1.2.0 // indirect
	github.com/planetscale/vtprotobuf v0.6.1-0.20240319094008-0393e58bdf10 // indirect
	github.com/prometheus/client_model v0.6.3 // indirect
	github.com/prometheus/common v0.72.0 // indirect
	github.com/prometheus/procfs v0.22.0 // indirect
	github.com/quic-go/qpack v0.6.0 // indirect
	github.com/quic-go/quic-go v0.59.0 // indirect
	github.com/remyoudompheng/bigfft v0.0.0-20230129092748-24d4a6f8daec // indirect
	github.com/sethvargo/go-retry v0.4.0 // indirect
	github.com/spiffe/go-spiffe/v2 v2.7.0 // indirect
	github.com/tinylib/msgp v1.6.4 // indirect
	github.com/twitchyliquid64/golang-asm v0.15.1 // indirect
	github.com/ugorji/go/codec v1.3.1 // indirect
	github.com/x448/float16 v0.8.4 // indirect
	github.com/zeebo/errs v1.4.0 // indirect
	go.mongodb.org/mongo-driver/v2 v2.5.0 // indirect
	go.opentelemetry.io/auto/sdk v1.2.1 // indirect
	go.opentelemetry.io/contrib/detectors/gcp v1.44.0 // indirect
	go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc v0.61.0 // indirect
	go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp v0.71.0 // indirect
	go.opentelemetry.io/otel v1.46.0 // indirect
	go.opentelemetry.io/otel/metric v1.46.0 // indirect
	go.opentelemetry.io/otel/sdk v1.46.0 // indirect
	go.opentelemetry.io/otel/sdk/metric v1.46.0 // indirect
	go.opentelemetry.io/otel/trace v1.46.0 // indirect
	go.uber.org/multierr v1.11.0 // indirect
	go4.org/netipx v0.0.0-20231129151722-fdeea329fbba // indirect
	golang.org/x/arch v0.25.0 // indirect
	golang.org/x/tools v0.52.0 // indirect
	golang.org/x/xerrors v0.0.0-20200804184101-5ec99f83aff1 // indirect
	google.golang.org/appengine/v2 v2.0.6 // indirect
	google.golang.org/genproto v0.0.0-20260128011058-8636f8732409 // indirect
	google.golang.org/genproto/googleapis/api v0.0.0-20260526163538-3dc84a4a5aaa // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260831171406-18b4a7587f8a // indirect
	google.golang.org/grpc v1.83.2 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
	modernc.org/libc v1.77.1 // indirect
	modernc.org/mathutil v1.7.1 // indirect
	modernc.org/memory v1.12.1 // indirect
)
