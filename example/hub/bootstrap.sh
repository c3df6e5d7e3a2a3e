#!/bin/sh
# Makes a hub: a cluster by kind, Argo CD, and the root Application, which does the rest from Git.
# Needs kubectl, and kind unless you pass the kubectl context of a cluster that you have:
#
#   example/hub/bootstrap.sh            # a new cluster "hub" by kind
#   example/hub/bootstrap.sh my-hub     # the cluster of the context my-hub
#
# You can run it again. This script itself is not tested: the project's tests have neither kind nor the
# internet. They apply the same files, in the same order, to a Kubernetes API server.
set -eu

cd "$(dirname "$0")"
version=v3.6.1 # Of Argo CD.

context=${1:-kind-hub}
if [ $# -eq 0 ] && ! kind get clusters | grep -qx hub; then
  kind create cluster --name hub
fi
hub() { kubectl --context "$context" "$@"; }

# Argo CD. Server-side, because an annotation cannot hold its CRDs.
hub create namespace argocd --dry-run=client -o yaml | hub apply -f -
hub apply --namespace argocd --server-side --force-conflicts \
  -f "https://raw.githubusercontent.com/argoproj/argo-cd/$version/manifests/install.yaml"

# Its settings, once by hand: the root Application needs them, to wait between its waves.
hub apply --server-side --force-conflicts -f argocd/
hub --namespace argocd rollout restart deployment argocd-applicationset-controller argocd-server
hub --namespace argocd rollout restart statefulset argocd-application-controller
hub --namespace argocd rollout status deployment argocd-repo-server --timeout=10m
hub --namespace argocd rollout status statefulset argocd-application-controller --timeout=10m

hub apply -f root.yaml
echo "Follow it: kubectl --context $context get applications -n argocd --watch"
