package conformance

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/gateway-api/conformance"
	"sigs.k8s.io/gateway-api/conformance/tests"
	"sigs.k8s.io/gateway-api/conformance/utils/config"
	"sigs.k8s.io/gateway-api/conformance/utils/grpc"
	"sigs.k8s.io/gateway-api/conformance/utils/roundtripper"
	"sigs.k8s.io/gateway-api/conformance/utils/suite"
)

// needsCluster are the tests that files and `headgate translate` cannot pass, and why.
var needsCluster = map[string]string{
	"BackendTLSPolicyPreserveForeignStatus": "others write to its statuses",
	"GatewayInfrastructureMetadata":         "a proxy is deployed",
	"GatewayPreserveForeignConditions":      "others write to its statuses",
	"GatewayStaticAddresses":                "a load balancer gives addresses",
	"HTTPRoutePreserveForeignStatus":        "others write to its statuses",
}

// ownClients are the parts of tests that make requests, or read the logs of those, by clients of their own.
var ownClients = []string{
	"BackendTLSPolicyGRPCRoute/.",
	"BackendTLSPolicyTLSRouteTerminate/.",
	"HTTPRouteBackendProtocolWebSocket/.",
	"HTTPRouteRequest(Mirror|MultipleMirrors|PercentageMirror)/.",
	"TCPRouteMultipleRoutesAttachment/traffic",
	"TCPRouteParentRefAttachAll/routes to",
	"TCPRouteParentRefPortAndSectionName/.",
	"TCPRouteReferenceGrant/reach",
	"TCPRouteWeightedRouting/.",
	"TLSRouteHostnameIntersection/./should not reach",
	"TLSRouteInvalidBackendRef.*/should be rejected",
	"TLSRoute.*SameNamespace/reach",
	"UDPRoute$/.",
	"UDPRouteMultipleRoutesAttachment/traffic",
	"UDPRouteParentRefAttachAllListeners/reaches",
	"UDPRouteParentRefPortAndSectionName/.",
	"UDPRouteReferenceGrant/reaches",
	"UDPRouteWeightedRouting/.",
}

// TestMain skips the parts of TestStandalone that would make requests.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.skip", "TestStandalone/"+strings.Join(ownClients, "|TestStandalone/")); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// TestStandalone holds that `headgate translate` gives the suite's manifests the conditions that the suite's tests assert.
//
// The tests are the suite's own, with a store in memory in place of a cluster. There are no proxies: a test, or a part of
// one, ends at its first request, as skipped.
func TestStandalone(t *testing.T) {
	log.SetLogger(zap.New(zap.WriteTo(os.Stdout)))
	translate := startTranslator(t)
	common := newStore(t, translate, initialObjects())
	s, err := suite.NewConformanceTestSuite(suite.ConformanceOptions{
		ConfigurableOptions: suite.ConfigurableOptions{
			GatewayClassName:     className,
			DisableParallelTests: true,
			TimeoutConfig:        timeouts(),
		},
		Client:       common.client,
		RoundTripper: noRequests{},
		GRPCClient:   noCalls{},
		ManifestFS:   []fs.FS{&conformance.Manifests},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Setup(t, tests.ConformanceTests)
	objects := common.objects()
	for _, test := range tests.ConformanceTests {
		t.Run(test.ShortName, func(t *testing.T) {
			if reason, ok := needsCluster[test.ShortName]; ok {
				t.Skipf("Skipping %s: it needs a cluster, because %s", test.ShortName, reason)
			}
			s.Client = newStore(t, translate, objects).client
			test.Run(t, s)
		})
	}
}

// timeouts has those of a store that is never late: what does not hold at once fails soon.
func timeouts() config.TimeoutConfig {
	const soon = 2 * time.Second
	return config.TimeoutConfig{
		GatewayMustHaveAddress:                 soon,
		GatewayMustHaveCondition:               soon,
		GatewayStatusMustHaveListeners:         soon,
		GatewayListenersMustHaveConditions:     soon,
		ListenerSetMustHaveCondition:           soon,
		ListenerSetListenersMustHaveConditions: soon,
		GWCMustBeAccepted:                      soon,
		HTTPRouteMustNotHaveParents:            soon,
		HTTPRouteMustHaveCondition:             soon,
		TLSRouteMustHaveCondition:              soon,
		TCPRouteMustHaveCondition:              soon,
		UDPRouteMustHaveCondition:              soon,
		MaxTimeToConsistency:                   soon,
		RouteMustHaveParents:                   soon,
		NamespacesMustBeReady:                  soon,
		LatestObservedGenerationSet:            soon,
	}
}

// noRequests ends the test that makes a request.
type noRequests struct{}

func (noRequests) CaptureRoundTrip(request roundtripper.Request) (
	*roundtripper.CapturedRequest, *roundtripper.CapturedResponse, error,
) {
	request.T.Skipf("Skipping %s: this is its first request", request.T.Name())
	return nil, nil, errors.ErrUnsupported
}

// noCalls ends the test that makes a gRPC call.
type noCalls struct{}

func (noCalls) SendRPC(t *testing.T, _ string, _ grpc.ExpectedResponse, _ time.Duration) (*grpc.Response, error) {
	t.Skipf("Skipping %s: this is its first request", t.Name())
	return nil, errors.ErrUnsupported
}

func (noCalls) Close() {}
