"""Every field name of KServe's own resources, with its type: facts taken from KServe's CRDs.

Same notation as `umbel.k8s.resources.pod_fields`. ``alibi`` and ``aix`` are not in today's CRD:
they are what older KServe had and umbel still serves.
"""

from __future__ import annotations

SERVING_FIELDS = """
Step = string: condition data name nodeName serviceName serviceUrl; enum(Soft|Hard): dependency;
  boolean: mapPredictionsToInstances; int64: weight
Router = enum(Sequence|Splitter|Ensemble|Switch): routerType!; list Step: steps
RouterTimeouts = int64: serverIdle serverRead serverWrite serviceClient
InferenceGraphSpec = Affinity: affinity; int32: maxReplicas minReplicas scaleTarget; string:
  nodeName serviceAccountName; map string: nodeSelector; map Router: nodes!; Resources:
  resources; RouterTimeouts: routerTimeouts; enum(cpu|memory|concurrency|rps): scaleMetric;
  int64: timeout; list Toleration: tolerations
ScalingPolicy = int32: periodSeconds! value!; string: type!
ScalingRules = list ScalingPolicy: policies; string: selectPolicy; int32:
  stabilizationWindowSeconds; quantity: tolerance
ScalingBehavior = ScalingRules: scaleDown scaleUp
AuthenticationRef = string: authModes; NameRef: authenticationRef!
ExternalMetric = enum(prometheus|graphite): backend; string: namespace query serverAddress
MetricTarget = int32: averageUtilization; quantity: averageValue value;
  enum(Utilization|Value|AverageValue): type
ExternalSource = AuthenticationRef: authenticationRef; ExternalMetric: metric!; MetricTarget:
  target!
PodMetric = enum(opentelemetry): backend; list string: metricNames; string: operationOverTime
  query serverAddress
PodMetricSource = PodMetric: metric!; MetricTarget: target!
ResourceSource = enum(cpu|memory): name!; MetricTarget: target!
MetricSpec = ExternalSource: external; PodMetricSource: podmetric; ResourceSource: resource;
  enum(Resource|External|PodMetric): type!
AutoScaling = ScalingBehavior: behavior; list MetricSpec: metrics
Batcher = integer: maxBatchSize maxLatency timeout
RollingUpdate = intstr: maxSurge maxUnavailable
DeploymentStrategy = RollingUpdate: rollingUpdate; string: type
Confidential = boolean: enabled!; string: resourceId
ModelStorage = string: key path schemaPath; map string: parameters
LoggerStorage = string: key path serviceAccountName; map string: parameters
Logger = string: batchInterval marshallerUrl url; integer: batchSize; list string:
  metadataAnnotations metadataHeaders; enum(all|request|response): mode; LoggerStorage: storage
ModelFormat = string: name! version
StorageUri = string: mountPath uri!
WorkerSpec = &PodSpec; integer: pipelineParallelSize tensorParallelSize
Canary = Predictor: predictor!; int32: trafficPercent!
ArtExplainer = &Container; map string: config; string: runtimeVersion storageUri type;
  ModelStorage: storage
AlibiExplainer = &ArtExplainer
Explainer = &PodSpec; &Extension; ArtExplainer: art; AlibiExplainer: alibi aix
FrameworkModel = &Container; Confidential: confidential; string: protocolVersion runtimeVersion
  storageUri; ModelStorage: storage
Model = &FrameworkModel; ModelFormat: modelFormat; string: runtime
Predictor = &PodSpec; &Extension; FrameworkModel: huggingface lightgbm onnx paddle pmml pytorch
  sklearn tensorflow triton xgboost; Model: model; string: name storageContainerName;
  WorkerSpec: workerSpec
Transformer = &PodSpec; &Extension
InferenceServiceSpec = list Canary: canary; Explainer: explainer; Predictor: predictor!;
  Transformer: transformer
BuiltInAdapter = list EnvVar: env; integer: memBufferBytes modelLoadingTimeoutMillis
  runtimeManagementPort; string: serverType
StorageHelper = boolean: disabled
SupportedModelFormat = boolean: autoSelect; string: name! version; int32: priority
RuntimeWorkerSpec = &RuntimePod; integer: pipelineParallelSize tensorParallelSize
ServingRuntimeSpec = &RuntimePod; BuiltInAdapter: builtInAdapter; boolean: disabled multiModel;
  string: grpcDataEndpoint grpcEndpoint httpDataEndpoint; list string: protocolVersions;
  integer: replicas; StorageHelper: storageHelper; list SupportedModelFormat:
  supportedModelFormats; RuntimeWorkerSpec: workerSpec
TrainedModelModel = string: framework! storageUri!; quantity: memory!
TrainedModelSpec = string: inferenceService!; TrainedModelModel: model!
Extension = map string: annotations labels; AutoScaling: autoScaling; Batcher: batcher; int64:
  canaryTrafficPercent containerConcurrency timeout; DeploymentStrategy: deploymentStrategy;
  Logger: logger; int32: maxReplicas minReplicas scaleTarget; enum(cpu|memory|concurrency|rps):
  scaleMetric; enum(Utilization|Value|AverageValue): scaleMetricType; list StorageUri:
  storageUris
RuntimePod = Affinity: affinity; map string: annotations labels nodeSelector; list Container:
  containers!; boolean: hostIPC; list OptionalNameRef: imagePullSecrets; list ResourceClaim:
  resourceClaims; string: schedulerName; list Toleration: tolerations; list Volume: volumes
ObjectMeta = string: name generateName namespace uid resourceVersion creationTimestamp
  deletionTimestamp selfLink; map string: labels annotations; list string: finalizers; int64:
  generation deletionGracePeriodSeconds; any: managedFields ownerReferences
InferenceService = string: apiVersion kind; ObjectMeta: metadata!; InferenceServiceSpec: spec!;
  any: status
InferenceGraph = string: apiVersion kind; ObjectMeta: metadata!; InferenceGraphSpec: spec!; any:
  status
ServingRuntime = string: apiVersion kind; ObjectMeta: metadata!; ServingRuntimeSpec: spec!; any:
  status
ClusterServingRuntime = &ServingRuntime
TrainedModel = string: apiVersion kind; ObjectMeta: metadata!; TrainedModelSpec: spec!; any:
  status
ConfigMap = string: apiVersion kind; ObjectMeta: metadata!; map string: data binaryData;
  boolean: immutable
Secret = string: apiVersion kind type; ObjectMeta: metadata!; map string: data stringData;
  boolean: immutable
ServiceAccount = string: apiVersion kind; ObjectMeta: metadata!; list any: secrets; list
  OptionalNameRef: imagePullSecrets; boolean: automountServiceAccountToken
"""
