package conformance

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"reflect"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/gateway-api/pkg/consts"
)

const (
	className      = "headgate"
	controllerName = "gateway.headgate.dev/controller"
)

// translated are the kinds that `headgate translate` is given.
var translated = []schema.GroupVersionKind{
	{Version: "v1", Kind: "Namespace"},
	{Version: "v1", Kind: "Service"},
	{Version: "v1", Kind: "Secret"},
	{Version: "v1", Kind: "ConfigMap"},
	{Group: "discovery.k8s.io", Version: "v1", Kind: "EndpointSlice"},
	gatewayv1.SchemeGroupVersion.WithKind("GatewayClass"),
	gatewayv1.SchemeGroupVersion.WithKind("Gateway"),
	gatewayv1.SchemeGroupVersion.WithKind("ListenerSet"),
	gatewayv1.SchemeGroupVersion.WithKind("HTTPRoute"),
	gatewayv1.SchemeGroupVersion.WithKind("GRPCRoute"),
	gatewayv1.SchemeGroupVersion.WithKind("TLSRoute"),
	gatewayv1.SchemeGroupVersion.WithKind("TCPRoute"),
	gatewayv1.SchemeGroupVersion.WithKind("UDPRoute"),
	gatewayv1.SchemeGroupVersion.WithKind("ReferenceGrant"),
	gatewayv1.SchemeGroupVersion.WithKind("BackendTLSPolicy"),
}

// initialObjects are those that Headgate's installation brings.
func initialObjects() []client.Object {
	class := &gatewayv1.GatewayClass{Spec: gatewayv1.GatewayClassSpec{ControllerName: controllerName}}
	class.Name = className
	class.Generation = 1
	// The suite reads the version of the API from a definition.
	definition := &apiextensionsv1.CustomResourceDefinition{}
	definition.Name = "gateways.gateway.networking.k8s.io"
	definition.Annotations = map[string]string{
		consts.BundleVersionAnnotation: consts.BundleVersion, consts.ChannelAnnotation: "standard",
	}
	return []client.Object{class, definition}
}

// store is an API server in memory, with the statuses that `headgate translate` gives to its objects.
type store struct {
	t         *testing.T
	client    client.WithWatch
	plain     client.WithWatch
	translate func(objects []map[string]any) map[string]any

	lock      sync.Mutex
	statuses  map[string]any
	addresses map[string]string
}

// newStore returns a store with some objects.
func newStore(t *testing.T, translate func([]map[string]any) map[string]any, objects []client.Object) *store {
	types := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		scheme.AddToScheme, gatewayv1.Install, apiextensionsv1.AddToScheme,
	} {
		if err := add(types); err != nil {
			t.Fatal(err)
		}
	}
	s := &store{t: t, translate: translate, addresses: map[string]string{}}
	s.plain = fake.NewClientBuilder().WithScheme(types).WithObjects(copies(objects)...).Build()
	s.client = interceptor.NewClient(s.plain, interceptor.Funcs{
		Get: s.get, List: s.list, Create: s.create, Delete: s.delete, Update: s.update, Patch: s.patch,
	})
	return s
}

// copies returns the objects as they were before they were stored.
func copies(objects []client.Object) []client.Object {
	var copied []client.Object
	for _, object := range objects {
		object = object.DeepCopyObject().(client.Object)
		object.SetResourceVersion("")
		copied = append(copied, object)
	}
	return copied
}

// objects returns all objects of the kinds that tests use.
func (s *store) objects() []client.Object {
	var found []client.Object
	kinds := append([]schema.GroupVersionKind{
		appsv1.SchemeGroupVersion.WithKind("Deployment"),
		corev1.SchemeGroupVersion.WithKind("Pod"),
		apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"),
	}, translated...)
	for _, kind := range kinds {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind)
		if err := s.plain.List(context.Background(), list); err != nil {
			s.t.Fatal(err)
		}
		for i := range list.Items {
			found = append(found, &list.Items[i])
		}
	}
	return found
}

func (s *store) get(
	ctx context.Context, plain client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption,
) error {
	if err := plain.Get(ctx, key, object, options...); err != nil {
		return err
	}
	return s.setStatus(object)
}

func (s *store) list(ctx context.Context, plain client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
	if err := plain.List(ctx, list, options...); err != nil {
		return err
	}
	return meta.EachListItem(list, func(item runtime.Object) error { return s.setStatus(item.(client.Object)) })
}

func (s *store) create(
	ctx context.Context, plain client.WithWatch, object client.Object, options ...client.CreateOption,
) error {
	object.SetGeneration(1)
	object.SetCreationTimestamp(metav1.NewTime(time.Now()))
	if err := plain.Create(ctx, object, options...); err != nil {
		return err
	}
	s.forget()
	deployment := &appsv1.Deployment{}
	if plain.Get(ctx, client.ObjectKeyFromObject(object), deployment) != nil {
		return nil
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: object.GetNamespace(), Name: object.GetName(), Labels: deployment.Spec.Template.Labels,
		},
		Status: corev1.PodStatus{
			PodIP:      "10.0.0.1",
			PodIPs:     []corev1.PodIP{{IP: "10.0.0.1"}},
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		},
	}
	return client.IgnoreAlreadyExists(plain.Create(ctx, pod))
}

func (s *store) delete(
	ctx context.Context, plain client.WithWatch, object client.Object, options ...client.DeleteOption,
) error {
	s.forget()
	return plain.Delete(ctx, object, options...)
}

func (s *store) update(
	ctx context.Context, plain client.WithWatch, object client.Object, options ...client.UpdateOption,
) error {
	return s.change(ctx, plain, object, func() error { return plain.Update(ctx, object, options...) })
}

func (s *store) patch(
	ctx context.Context, plain client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption,
) error {
	return s.change(ctx, plain, object, func() error { return plain.Patch(ctx, object, patch, options...) })
}

// change writes an object; another spec is another generation.
func (s *store) change(ctx context.Context, plain client.WithWatch, object client.Object, write func() error) error {
	before, err := s.stored(ctx, plain, object)
	if err != nil {
		return err
	}
	if err := write(); err != nil {
		return err
	}
	s.forget()
	after, err := s.stored(ctx, plain, object)
	if err != nil {
		return err
	}
	after.SetGeneration(before.GetGeneration())
	after.SetCreationTimestamp(before.GetCreationTimestamp())
	if !reflect.DeepEqual(before.Object["spec"], after.Object["spec"]) {
		after.SetGeneration(before.GetGeneration() + 1)
	}
	return plain.Update(ctx, after)
}

// stored returns an object as it is stored.
func (s *store) stored(
	ctx context.Context, plain client.WithWatch, object client.Object,
) (*unstructured.Unstructured, error) {
	kind, err := plain.GroupVersionKindFor(object)
	if err != nil {
		return nil, err
	}
	found := &unstructured.Unstructured{}
	found.SetGroupVersionKind(kind)
	return found, plain.Get(ctx, client.ObjectKeyFromObject(object), found)
}

// forget has the statuses translated anew when they are next read.
func (s *store) forget() {
	s.lock.Lock()
	defer s.lock.Unlock()
	s.statuses = nil
}

// setStatus sets the status of an object that has been read.
func (s *store) setStatus(object client.Object) error {
	kind, err := s.plain.GroupVersionKindFor(object)
	if err != nil || kind.Group != gatewayv1.GroupName {
		return err
	}
	status, err := json.Marshal(map[string]any{"status": s.status(kind.Kind, object)})
	if err != nil {
		return err
	}
	return json.Unmarshal(status, object)
}

// status returns the status of an object, for which all are translated if one has changed.
func (s *store) status(kind string, object client.Object) any {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.statuses == nil {
		var objects []map[string]any
		for _, each := range s.objects() {
			object := each.(*unstructured.Unstructured)
			if object.GetKind() == "Gateway" {
				s.setAddress(object)
			}
			objects = append(objects, object.Object)
		}
		s.statuses = s.translate(objects)
	}
	return s.statuses[name(kind, object)]
}

// setAddress gives a Gateway that asks for no address one of its own: those of one machine share their ports otherwise.
func (s *store) setAddress(gateway *unstructured.Unstructured) {
	if _, found, _ := unstructured.NestedSlice(gateway.Object, "spec", "addresses"); found {
		return
	}
	key := gateway.GetNamespace() + "/" + gateway.GetName()
	if s.addresses[key] == "" {
		s.addresses[key] = fmt.Sprintf("127.1.0.%d", len(s.addresses)+1)
	}
	addresses := []any{map[string]any{"type": "IPAddress", "value": s.addresses[key]}}
	if err := unstructured.SetNestedSlice(gateway.Object, addresses, "spec", "addresses"); err != nil {
		s.t.Error(err)
	}
}

// name identifies an object.
func name(kind string, object metav1.Object) string {
	return kind + " " + object.GetNamespace() + "/" + object.GetName()
}

// startTranslator starts `headgate translate`, and returns the function that gives it objects and gets their statuses.
func startTranslator(t *testing.T) func([]map[string]any) map[string]any {
	command := exec.CommandContext(t.Context(), os.Getenv("HEADGATE_PYTHON"), "-m", "tests.conformance.translations")
	command.Dir = os.Getenv("HEADGATE_ROOT")
	command.Stderr = os.Stderr
	input, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(output)
	return func(objects []map[string]any) map[string]any { return exchange(t, input, lines, objects) }
}

// exchange gives the translator objects, and returns the statuses of those that have one.
func exchange(t *testing.T, input io.Writer, output *bufio.Reader, objects []map[string]any) map[string]any {
	line, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "List", "items": objects})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := input.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	if line, err = output.ReadBytes('\n'); err != nil {
		t.Fatal(err)
	}
	var found []struct {
		Kind     string            `json:"kind"`
		Metadata metav1.ObjectMeta `json:"metadata"`
		Status   any               `json:"status"`
	}
	if err := json.Unmarshal(line, &found); err != nil {
		t.Fatalf("%s: %s", err, line)
	}
	statuses := map[string]any{}
	for _, each := range found {
		statuses[name(each.Kind, &each.Metadata)] = each.Status
	}
	return statuses
}
