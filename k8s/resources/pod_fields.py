"""Every field name Kubernetes knows in a pod, with its type: facts taken from KServe's CRDs.

One line a type, read by `umbel.k8s.resources.field_types`: ``Type = type: field field!; ...``.
``!`` marks a required field, ``&Other`` takes over another type's fields.
"""

from __future__ import annotations

POD_FIELDS = """
SelectorRequirement = string: key! operator!; list string: values
NodeSelectorTerm = list SelectorRequirement: matchExpressions matchFields
PreferredNode = NodeSelectorTerm: preference!; int32: weight!
NodeSelector = list NodeSelectorTerm: nodeSelectorTerms!
NodeAffinity = list PreferredNode: preferredDuringSchedulingIgnoredDuringExecution;
  NodeSelector: requiredDuringSchedulingIgnoredDuringExecution
LabelSelector = list SelectorRequirement: matchExpressions; map string: matchLabels
PodAffinityTerm = LabelSelector: labelSelector namespaceSelector; list string: matchLabelKeys
  mismatchLabelKeys namespaces; string: topologyKey!
WeightedPodTerm = PodAffinityTerm: podAffinityTerm!; int32: weight!
PodAffinity = list WeightedPodTerm: preferredDuringSchedulingIgnoredDuringExecution; list
  PodAffinityTerm: requiredDuringSchedulingIgnoredDuringExecution
Affinity = NodeAffinity: nodeAffinity; PodAffinity: podAffinity podAntiAffinity
ResourceClaimRef = string: name! request
Resources = list ResourceClaimRef: claims; map quantity: limits requests
Toleration = string: effect key operator value; int64: tolerationSeconds
NameRef = string: name!
KeyRef = string: key! name; boolean: optional
FieldRef = string: apiVersion fieldPath!
FileKeyRef = string: key! path! volumeName!; boolean: optional
ResourceFieldRef = string: containerName resource!; quantity: divisor
EnvVarSource = KeyRef: configMapKeyRef secretKeyRef; FieldRef: fieldRef; FileKeyRef: fileKeyRef;
  ResourceFieldRef: resourceFieldRef
EnvVar = string: name! value; EnvVarSource: valueFrom
LocalRef = string: name; boolean: optional
EnvFrom = LocalRef: configMapRef secretRef; string: prefix
ExecAction = list string: command
NameValue = string: name! value!
SleepAction = int64: seconds!
LifecycleHandler = ExecAction: exec; HttpGet: httpGet; SleepAction: sleep; TcpSocket: tcpSocket
Lifecycle = LifecycleHandler: postStart preStop; string: stopSignal
GrpcAction = int32: port!; string: service
ContainerPort = int32: containerPort! hostPort; string: hostIP name protocol
ResizePolicy = string: resourceName! restartPolicy!
ExitCodes = string: operator!; list int32: values
RestartRule = string: action!; ExitCodes: exitCodes
Profile = string: localhostProfile type!
Capabilities = list string: add drop
SELinuxOptions = string: level role type user
WindowsOptions = string: gmsaCredentialSpec gmsaCredentialSpecName runAsUserName; boolean:
  hostProcess
SecurityContext = boolean: allowPrivilegeEscalation privileged readOnlyRootFilesystem
  runAsNonRoot; Profile: appArmorProfile seccompProfile; Capabilities: capabilities; string:
  procMount; int64: runAsGroup runAsUser; SELinuxOptions: seLinuxOptions; WindowsOptions:
  windowsOptions
VolumeDevice = string: devicePath! name!
VolumeMount = string: mountPath! mountPropagation name! recursiveReadOnly subPath subPathExpr;
  boolean: readOnly
DnsOption = string: name value
DnsConfig = list string: nameservers searches; list DnsOption: options
HostAlias = list string: hostnames; string: ip!
OptionalNameRef = string: name
ReadinessGate = string: conditionType!
ResourceClaim = string: name! resourceClaimName resourceClaimTemplateName
PodSecurityContext = Profile: appArmorProfile seccompProfile; int64: fsGroup runAsGroup
  runAsUser; string: fsGroupChangePolicy seLinuxChangePolicy supplementalGroupsPolicy; boolean:
  runAsNonRoot; SELinuxOptions: seLinuxOptions; list int64: supplementalGroups; list NameValue:
  sysctls; WindowsOptions: windowsOptions
SpreadConstraint = LabelSelector: labelSelector; list string: matchLabelKeys; int32: maxSkew!
  minDomains; string: nodeAffinityPolicy nodeTaintsPolicy topologyKey! whenUnsatisfiable!
HttpGet = string: host path scheme; list NameValue: httpHeaders; intstr: port
TcpSocket = string: host; intstr: port
Probe = ExecAction: exec; int32: failureThreshold initialDelaySeconds periodSeconds
  successThreshold timeoutSeconds; GrpcAction: grpc; HttpGet: httpGet; TcpSocket: tcpSocket;
  int64: terminationGracePeriodSeconds
Container = list string: args command; list EnvVar: env; list EnvFrom: envFrom; string: image
  imagePullPolicy name restartPolicy terminationMessagePath terminationMessagePolicy workingDir;
  Lifecycle: lifecycle; Probe: livenessProbe readinessProbe startupProbe; list ContainerPort:
  ports; list ResizePolicy: resizePolicy; Resources: resources; list RestartRule:
  restartPolicyRules; SecurityContext: securityContext; boolean: stdin stdinOnce tty; list
  VolumeDevice: volumeDevices; list VolumeMount: volumeMounts
EphemeralContainer = &Container; string: targetContainerName
PodSpec = int64: activeDeadlineSeconds terminationGracePeriodSeconds; Affinity: affinity;
  boolean: automountServiceAccountToken enableServiceLinks hostIPC hostNetwork hostPID hostUsers
  setHostnameAsFQDN shareProcessNamespace; list Container: containers initContainers; DnsConfig:
  dnsConfig; string: dnsPolicy hostname hostnameOverride nodeName preemptionPolicy
  priorityClassName restartPolicy runtimeClassName schedulerName serviceAccount
  serviceAccountName subdomain; list EphemeralContainer: ephemeralContainers; list HostAlias:
  hostAliases; list OptionalNameRef: imagePullSecrets; map string: nodeSelector;
  OptionalNameRef: os; map quantity: overhead; int32: priority; list ReadinessGate:
  readinessGates; list ResourceClaim: resourceClaims; Resources: resources; list NameRef:
  schedulingGates; PodSecurityContext: securityContext; list Toleration: tolerations; list
  SpreadConstraint: topologySpreadConstraints; list Volume: volumes
"""

VOLUME_FIELDS = """
AwsElasticBlockStoreVolume = string: fsType volumeID!; int32: partition; boolean: readOnly
AzureDiskVolume = string: cachingMode diskName! diskURI! fsType kind; boolean: readOnly
AzureFileVolume = boolean: readOnly; string: secretName! shareName!
CephfsVolume = list string: monitors!; string: path secretFile user; boolean: readOnly;
  OptionalNameRef: secretRef
CinderVolume = string: fsType volumeID!; boolean: readOnly; OptionalNameRef: secretRef
KeyToPath = string: key! path!; int32: mode
ConfigMapVolume = int32: defaultMode; list KeyToPath: items; string: name; boolean: optional
CsiVolume = string: driver! fsType; OptionalNameRef: nodePublishSecretRef; boolean: readOnly;
  map string: volumeAttributes
DownwardItem = FieldRef: fieldRef; int32: mode; string: path!; ResourceFieldRef:
  resourceFieldRef
DownwardAPIVolume = int32: defaultMode; list DownwardItem: items
EmptyDirVolume = string: medium; quantity: sizeLimit
TypedRef = string: apiGroup kind! name!
TypedNamespacedRef = string: apiGroup kind! name! namespace
VolumeResources = map quantity: limits requests
ClaimSpec = list string: accessModes; TypedRef: dataSource; TypedNamespacedRef: dataSourceRef;
  VolumeResources: resources; LabelSelector: selector; string: storageClassName
  volumeAttributesClassName volumeMode volumeName
ClaimTemplate = any: metadata; ClaimSpec: spec!
EphemeralVolume = ClaimTemplate: volumeClaimTemplate
FcVolume = string: fsType; int32: lun; boolean: readOnly; list string: targetWWNs wwids
FlexVolumeVolume = string: driver! fsType; map string: options; boolean: readOnly;
  OptionalNameRef: secretRef
FlockerVolume = string: datasetName datasetUUID
GcePersistentDiskVolume = string: fsType pdName!; int32: partition; boolean: readOnly
GitRepoVolume = string: directory repository! revision
GlusterfsVolume = string: endpoints! path!; boolean: readOnly
HostPathVolume = string: path! type
ImageVolume = string: pullPolicy reference
IscsiVolume = boolean: chapAuthDiscovery chapAuthSession readOnly; string: fsType initiatorName
  iqn! iscsiInterface targetPortal!; int32: lun!; list string: portals; OptionalNameRef:
  secretRef
NfsVolume = string: path! server!; boolean: readOnly
PersistentVolumeClaimVolume = string: claimName!; boolean: readOnly
PhotonPersistentDiskVolume = string: fsType pdID!
PortworxVolumeVolume = string: fsType volumeID!; boolean: readOnly
TrustBundle = LabelSelector: labelSelector; string: name path! signerName; boolean: optional
ProjectedItems = list KeyToPath: items; string: name; boolean: optional
ProjectedDownward = list DownwardItem: items
PodCertificate = string: certificateChainPath credentialBundlePath keyPath keyType! signerName!;
  int32: maxExpirationSeconds
TokenProjection = string: audience path!; int64: expirationSeconds
ProjectedSource = TrustBundle: clusterTrustBundle; ProjectedItems: configMap secret;
  ProjectedDownward: downwardAPI; PodCertificate: podCertificate; TokenProjection:
  serviceAccountToken
ProjectedVolume = int32: defaultMode; list ProjectedSource: sources
QuobyteVolume = string: group registry! tenant user volume!; boolean: readOnly
RbdVolume = string: fsType image! keyring pool user; list string: monitors!; boolean: readOnly;
  OptionalNameRef: secretRef
ScaleIOVolume = string: fsType gateway! protectionDomain storageMode storagePool system!
  volumeName; boolean: readOnly sslEnabled; OptionalNameRef: secretRef!
SecretVolume = int32: defaultMode; list KeyToPath: items; boolean: optional; string: secretName
StorageosVolume = string: fsType volumeName volumeNamespace; boolean: readOnly; OptionalNameRef:
  secretRef
VsphereVolumeVolume = string: fsType storagePolicyID storagePolicyName volumePath!
Volume = AwsElasticBlockStoreVolume: awsElasticBlockStore; AzureDiskVolume: azureDisk;
  AzureFileVolume: azureFile; CephfsVolume: cephfs; CinderVolume: cinder; ConfigMapVolume:
  configMap; CsiVolume: csi; DownwardAPIVolume: downwardAPI; EmptyDirVolume: emptyDir;
  EphemeralVolume: ephemeral; FcVolume: fc; FlexVolumeVolume: flexVolume; FlockerVolume:
  flocker; GcePersistentDiskVolume: gcePersistentDisk; GitRepoVolume: gitRepo; GlusterfsVolume:
  glusterfs; HostPathVolume: hostPath; ImageVolume: image; IscsiVolume: iscsi; string: name!;
  NfsVolume: nfs; PersistentVolumeClaimVolume: persistentVolumeClaim;
  PhotonPersistentDiskVolume: photonPersistentDisk; PortworxVolumeVolume: portworxVolume;
  ProjectedVolume: projected; QuobyteVolume: quobyte; RbdVolume: rbd; ScaleIOVolume: scaleIO;
  SecretVolume: secret; StorageosVolume: storageos; VsphereVolumeVolume: vsphereVolume
"""
