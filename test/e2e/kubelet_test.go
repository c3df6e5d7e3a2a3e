package e2e

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	crossplaneNamespace = "crossplane-system"
	functionName        = "function-argocd-cluster"
	providerName        = "provider-kubernetes"
	podSecrets          = "/var/run/secrets/kubernetes.io/serviceaccount"
)

// functionIPs are the addresses of the functions' pods: hosts of their Services.
var functionIPs = map[string]string{
	functionName:                   "127.0.1.1",
	"function-patch-and-transform": "127.0.1.2",
	"function-auto-ready":          "127.0.1.3",
	staticName:                     "127.0.1.4",
	"function-go-templating":       "127.0.1.5",
}

// kubelet stands in for the hub's nodes. Crossplane's package manager makes a
// Deployment of every package; the kubelet pulls its image, starts the image's program
// as a process, with the Deployment's environment, Secrets and ServiceAccount, and
// says that it is available. What ends is started again: a provider ends if it has no rights
// yet. The function is not, so that its end is found.
func (s *system) kubelet(ctx context.Context) {
	running := map[types.UID]bool{}
	every(ctx, func() error {
		l := &appsv1.DeploymentList{}
		if err := s.hub.List(ctx, l, client.InNamespace(crossplaneNamespace)); err != nil {
			return err
		}
		for i := range l.Items {
			d := &l.Items[i]
			if !running[d.UID] {
				if err := s.runPod(ctx, d); err != nil {
					return fmt.Errorf("Deployment %s: %w", d.Name, err)
				}
				running[d.UID] = true
			}
			if err := s.restarted(podName(d)); err != nil {
				return err
			}
			if err := available(ctx, s.hub, d); err != nil {
				return err
			}
		}
		return nil
	})
}

// restarted starts a pod's process again if it ended by itself.
func (s *system) restarted(name string) error {
	pr := s.named(name)
	if pr == nil || name == functionName {
		return nil
	}
	err := pr.ended()
	if err == nil {
		return nil
	}
	report.sayf("(%s ended, and is started again: %v)", name, err)
	return pr.start()
}

// podName is the name of the package that a Deployment is for.
func podName(d *appsv1.Deployment) string {
	labels := d.Spec.Template.Labels
	return cmp.Or(labels["pkg.crossplane.io/function"], labels["pkg.crossplane.io/provider"])
}

func (s *system) runPod(ctx context.Context, d *appsv1.Deployment) error {
	c, name, dir := &d.Spec.Template.Spec.Containers[0], podName(d), s.path("pods", d.Name)
	switch {
	case d.Name == "crossplane":
		return s.startCrossplane(ctx)
	case name == "", isPlayed(name): // Crossplane's RBAC manager runs beside it, and a cloud's provider is played.
		return nil
	}
	program, args, err := pull(ctx, c.Image, dir)
	if err != nil {
		return err
	}
	env, err := s.podEnv(ctx, d, dir)
	if err != nil {
		return err
	}
	args = append(args, c.Args...)
	// Pods have no network of their own: each needs other ports or addresses.
	if ip, ok := functionIPs[name]; ok {
		args = append(args, "--address="+ip+":9443")
		if name == functionName {
			// The other functions serve theirs at every address.
			args = append(args, "--metrics-address="+functionMetrics)
			args = append(args, strings.Fields(*functionFlags)...)
		}
	} else {
		args = append(args, "--webhook-port=19443", "--metrics-bind-address=127.0.0.1:19080", "--health-probe-bind-addr=127.0.0.1:19081")
		env = append(env, "KUBERNETES_SERVICE_HOST=127.0.0.1", fmt.Sprintf("KUBERNETES_SERVICE_PORT=%d", hubPort))
		token, err := s.hub.token(ctx, d.Namespace, d.Spec.Template.Spec.ServiceAccountName)
		if err != nil {
			return err
		}
		if err := writeAll(podSecrets, map[string][]byte{"token": []byte(token), "ca.crt": s.hub.ca.pem, "namespace": []byte(d.Namespace)}); err != nil {
			return err
		}
	}
	// Another version of a package takes the place of the one that runs.
	s.forget(name)
	_, err = s.start(name, program, env, args...)
	return err
}

// podEnv returns the environment of a Deployment's container. Secrets that it mounts
// are written below dir, and paths to them changed.
func (s *system) podEnv(ctx context.Context, d *appsv1.Deployment, dir string) ([]string, error) {
	c := d.Spec.Template.Spec.Containers[0]
	mounts := map[string]string{}
	for _, m := range c.VolumeMounts {
		mounts[m.Name] = m.MountPath
	}
	volumes := d.Spec.Template.Spec.Volumes
	paths := make([]string, 0, 2*len(volumes))
	for i := range volumes {
		v := &volumes[i]
		if v.Secret == nil {
			continue
		}
		secret := &corev1.Secret{}
		if err := s.hub.Get(ctx, client.ObjectKey{Namespace: d.Namespace, Name: v.Secret.SecretName}, secret); err != nil {
			return nil, err
		}
		if len(secret.Data) == 0 {
			return nil, fmt.Errorf("Secret %s is empty", secret.Name)
		}
		to := path.Join(dir, v.Name)
		if err := writeAll(to, secret.Data); err != nil {
			return nil, err
		}
		paths = append(paths, mounts[v.Name], to)
	}
	inPod := strings.NewReplacer(paths...)

	env, set := make([]string, 0, len(c.Env)), make([]string, 0, 2*len(c.Env))
	for _, e := range c.Env {
		value := e.Value
		if e.ValueFrom != nil && e.ValueFrom.FieldRef != nil {
			switch f := e.ValueFrom.FieldRef.FieldPath; {
			case f == "metadata.namespace":
				value = d.Namespace
			case strings.HasPrefix(f, "metadata.labels['"):
				value = d.Spec.Template.Labels[strings.TrimSuffix(strings.TrimPrefix(f, "metadata.labels['"), "']")]
			}
		}
		value = inPod.Replace(strings.NewReplacer(set...).Replace(value))
		set = append(set, "$("+e.Name+")", value)
		env = append(env, e.Name+"="+value)
	}
	return env, nil
}

// neverAvailable is an image that does not start.
const neverAvailable = "example.org/broken:v1"

// deployments says of the spoke's Deployments that they are rolled out. It has no nodes.
func (s *system) deployments(ctx context.Context) {
	every(ctx, func() error {
		l := &appsv1.DeploymentList{}
		if err := s.spoke.List(ctx, l); err != nil {
			return err
		}
		for i := range l.Items {
			if l.Items[i].Spec.Template.Spec.Containers[0].Image == neverAvailable {
				continue
			}
			if err := client.IgnoreNotFound(available(ctx, s.spoke, &l.Items[i])); err != nil {
				return err
			}
		}
		return nil
	})
}

// available says of a Deployment, as it is now specified, that it is rolled out.
func available(ctx context.Context, p *controlPlane, d *appsv1.Deployment) error {
	if d.Status.ObservedGeneration == d.Generation {
		return nil
	}
	n, before := *d.Spec.Replicas, client.MergeFrom(d.DeepCopy())
	d.Status = appsv1.DeploymentStatus{
		ObservedGeneration: d.Generation,
		Replicas:           n, ReadyReplicas: n, AvailableReplicas: n, UpdatedReplicas: n,
		Conditions: []appsv1.DeploymentCondition{{
			Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue, Reason: "MinimumReplicasAvailable",
			LastUpdateTime: metav1.Now(), LastTransitionTime: metav1.Now(),
		}},
	}
	return p.Status().Patch(ctx, d, before)
}

// every fifth of a second, or two seconds where costs are measured, does f. Its errors are said
// once, for what it plays is tried again.
func every(ctx context.Context, f func() error) {
	said, pause := "", 200*time.Millisecond
	if *fleetSize > 0 {
		pause = 2 * time.Second
	}
	for ctx.Err() == nil {
		if err := f(); err != nil && ctx.Err() == nil && err.Error() != said {
			said = err.Error()
			report.sayf("(%s)", said)
		}
		time.Sleep(pause)
	}
}

func writeAll(dir string, files map[string][]byte) error {
	for name, b := range files {
		if err := write(path.Join(dir, name), b); err != nil {
			return err
		}
	}
	return nil
}
