package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const stateMetricsAddr = "127.0.0.1:29080"

// TestMonitoring has kube-state-metrics, as the example installs it, make metrics of the XRs'
// condition: of a cluster that is registered, and of one whose Secret is another's.
func TestMonitoring(t *testing.T) {
	s := begin(t)
	s.stateMetrics()

	good := s.ask(aksClaim("measured")).registered()
	good.ready()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: argocdNamespace, Name: "cluster-team-a.taken"}}
	s.must(sys.hub.Create(t.Context(), secret))
	refused := s.ask(gke("taken"))
	s.measured(good, "Registered", "True")
	s.measured(refused, "NameConflict", "False")
	s.didf("kube-state-metrics: one cluster is registered, the other's name is taken")

	s.must(sys.hub.Delete(t.Context(), secret))
	refused.registered()
	s.measured(refused, "Registered", "True")
	s.didf("kube-state-metrics: both are registered")

	s.functionMeasured()
	s.didf("the function's own metrics count Crossplane's calls")
	refused.deleted()
	s.await("the end of its metrics", func(ctx context.Context) error {
		got, err := metricsOf(ctx, "http://"+stateMetricsAddr, `name="taken"`)
		if err == nil && len(got) > 0 {
			err = fmt.Errorf("there still are %v", got)
		}
		return err
	})
	log, err := os.ReadFile(sys.path("logs", "kube-state-metrics.log"))
	s.must(err)
	if strings.Contains(string(log), "forbidden") {
		s.Fatalf("the example's rights do not suffice:\n%s", log)
	}
	used, err := sys.named("kube-state-metrics").usage()
	s.must(err)
	s.didf("kube-state-metrics: the deleted one is gone; peak memory %d MiB", used.peak)
}

// stateMetrics runs kube-state-metrics with the arguments, the configuration and the rights of the
// example.
func (s *scenario) stateMetrics() {
	s.Helper()
	manifests, err := load(filepath.Join(examples, "monitoring", "kube-state-metrics.yaml"))
	s.must(err)
	s.must(sys.hub.apply(s.Context(), object("v1", "Namespace", "", "monitoring")))
	s.must(sys.hub.apply(s.Context(), manifests...))
	var args []string
	for _, o := range manifests {
		switch o.GetKind() {
		case "ConfigMap":
			cm := &corev1.ConfigMap{}
			s.must(runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, cm))
			s.must(write(sys.path("kube-state-metrics", "config.yaml"), []byte(cm.Data["config.yaml"])))
		case "Deployment":
			d := &appsv1.Deployment{}
			s.must(runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, d))
			c := d.Spec.Template.Spec.Containers[0]
			for _, a := range c.Args {
				args = append(args, strings.Replace(a, c.VolumeMounts[0].MountPath, sys.path("kube-state-metrics"), 1))
			}
			kubeconfig, err := sys.hub.serviceAccount(s.Context(), sys.path("identities"), d.Namespace, d.Spec.Template.Spec.ServiceAccountName)
			s.must(err)
			args = append(args, "--kubeconfig="+kubeconfig)
		}
	}
	args = append(args, "--host=127.0.0.1", "--port=29080", "--telemetry-host=127.0.0.1", "--telemetry-port=29081")
	_, err = sys.start("kube-state-metrics", sys.program("kube-state-metrics"), nil, args...)
	s.must(err)
}

// measured waits until the metrics of a cluster's XR, and only of its XR, are there.
func (s *scenario) measured(c *cluster, reason, status string) {
	s.Helper()
	common := fmt.Sprintf(`customresource_group="platform.example.org",customresource_kind=%q,customresource_version="v1alpha1",name=%q`, c.xr.GetKind(), c.xr.GetName())
	if ns := c.xr.GetNamespace(); ns != "" {
		common += fmt.Sprintf(",namespace=%q", ns)
	}
	xr, err := sys.hub.get(s.Context(), c.xr)
	s.must(err)
	want := []string{
		fmt.Sprintf(`argocd_registration_info{%s,reason=%q,status=%q,type="ArgoCDClusterRegistered"} 1`, common, reason, status),
		fmt.Sprintf(`argocd_registration_xr_created{%s} %s`, common, strconv.FormatFloat(float64(xr.GetCreationTimestamp().Unix()), 'g', -1, 64)),
	}
	s.await("the metrics of "+c.xr.GetName(), func(ctx context.Context) error {
		// A claim has the name that begins its XR's.
		got, err := metricsOf(ctx, "http://"+stateMetricsAddr, `name="(`+c.xr.GetName()+`|`+c.user.GetName()+`)"`)
		if err != nil {
			return err
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("metrics: -want, +got:\n%s", diff)
		}
		return nil
	})
}

// functionMeasured checks that the function counts its calls, and that its Pods are as
// Prometheus looks for them in the example.
func (s *scenario) functionMeasured() {
	s.Helper()
	got, err := metricsOf(s.Context(), "http://"+functionIPs[functionName]+":9080", `^grpc_server_handled_total{grpc_code="OK",grpc_method="RunFunction",grpc_service="apiextensions.fn.proto.v1.FunctionRunnerService",.*[1-9]`)
	s.must(err)
	if len(got) != 1 {
		s.Fatalf("calls of the function: %v", got)
	}
	monitors, err := load(filepath.Join(examples, "monitoring", "scrape.yaml"))
	s.must(err)
	monitor := monitors[slices.IndexFunc(monitors, func(o *unstructured.Unstructured) bool { return o.GetKind() == "PodMonitor" })]
	labels, _, err := unstructured.NestedStringMap(monitor.Object, "spec", "selector", "matchLabels")
	s.must(err)
	l := &appsv1.DeploymentList{}
	s.must(sys.hub.List(s.Context(), l, client.InNamespace(monitor.GetNamespace())))
	for i := range l.Items {
		pod := &l.Items[i].Spec.Template
		if pod.Labels["pkg.crossplane.io/function"] != functionName {
			continue
		}
		for k, v := range labels {
			if pod.Labels[k] != v {
				s.Fatalf("the function's Pods do not have the label %s: %s", k, v)
			}
		}
		if !slices.ContainsFunc(pod.Spec.Containers[0].Ports, func(p corev1.ContainerPort) bool { return p.Name == "metrics" && p.ContainerPort == 8080 }) {
			s.Fatal("the function's Pods do not have the port metrics")
		}
		return
	}
	s.Fatal("the function has no Deployment")
}

// metricsOf returns the lines at /metrics that match, sorted.
func metricsOf(ctx context.Context, url, expr string) ([]string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/metrics", http.NoBody)
	if err != nil {
		return nil, err
	}
	rsp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer rsp.Body.Close()
	b, err := io.ReadAll(rsp.Body)
	if err != nil {
		return nil, err
	}
	matches := regexp.MustCompile(expr)
	lines := slices.DeleteFunc(strings.Split(string(b), "\n"), func(l string) bool { return strings.HasPrefix(l, "#") || !matches.MatchString(l) })
	slices.Sort(lines)
	return lines, nil
}
