// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title The `ipfs://` URI of a one-block file, rebuilt from its SHA-256 digest
/// @notice CIDv1, raw codec, sha2-256, base32: a digest costs one storage slot, the string four.
library IpfsUri {
    bytes32 private constant _ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

    /// @return "ipfs://b" followed by base32(0x01551220 || digest), 66 characters.
    function fromDigest(bytes32 digest) internal pure returns (string memory) {
        bytes memory cid = bytes.concat(hex"01551220", digest);
        bytes memory uri = new bytes(66);
        bytes8 prefix = "ipfs://b";
        for (uint256 i = 0; i < 8; ++i) {
            uri[i] = prefix[i];
        }
        uint256 bits = 0;
        uint256 count = 0;
        uint256 next = 8;
        for (uint256 i = 0; i < cid.length; ++i) {
            bits = (bits << 8) | uint8(cid[i]);
            count += 8;
            while (count >= 5) {
                count -= 5;
                uri[next++] = _ALPHABET[(bits >> count) & 31];
            }
        }
        // 288 bits are 57 characters and 3 bits over.
        uri[next] = _ALPHABET[(bits << (5 - count)) & 31];
        return string(uri);
    }
}
