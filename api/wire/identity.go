package wire

import (
	"encoding/hex"

	"rollcall.dev/rollcall/api/state"
	"rollcall.dev/rollcall/api/wire/wirepb"
)

func identityToPB(i *Identity) *wirepb.Identity {
	if i == nil {
		return nil
	}
	pb := &wirepb.Identity{AgentVersion: i.AgentVersion, ClusterName: i.ClusterName, KubernetesVersion: i.KubernetesVersion}
	if pb.ClusterUuid = bytesOfUUID(i.ClusterUID); pb.ClusterUuid == nil {
		pb.ClusterUid = i.ClusterUID
	}
	return pb
}

func identityFromPB(pb *wirepb.Identity) *Identity {
	if pb == nil {
		return nil
	}
	i := &Identity{
		AgentVersion: state.TruncateText(pb.AgentVersion, maxText), ClusterName: state.TruncateText(pb.ClusterName, maxText),
		ClusterUID: state.TruncateText(pb.ClusterUid, maxText), KubernetesVersion: state.TruncateText(pb.KubernetesVersion, maxText),
	}
	if len(pb.ClusterUuid) == uuidSize {
		i.ClusterUID = textOfUUID(pb.ClusterUuid)
	}
	return i
}

// uuidSize is the size of a UUID in bytes.
const uuidSize = 16

// bytesOfUUID returns the 16 bytes of a UUID in lower case, nil for any other text.
func bytesOfUUID(text string) []byte {
	if len(text) != 36 {
		return nil
	}
	id, err := hex.DecodeString(text[:8] + text[9:13] + text[14:18] + text[19:23] + text[24:])
	if err != nil || textOfUUID(id) != text {
		return nil
	}
	return id
}

func textOfUUID(id []byte) string {
	digits := hex.EncodeToString(id)
	return digits[:8] + "-" + digits[8:12] + "-" + digits[12:16] + "-" + digits[16:20] + "-" + digits[20:]
}
