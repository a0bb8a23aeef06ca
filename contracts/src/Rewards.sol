// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {TwoStepOwnable} from "./TwoStepOwnable.sol";

/// @title A share of the income for the owners of the datasets that answers were traced to
/// @notice The owner publishes one Merkle root an epoch, over (epoch, token id, amount), with the digest of the statement
/// (which answers, which shares) that it follows from, so that anyone can recompute it. Whoever owns a token when they
/// claim is paid. An epoch never spends more than was set aside for it.
contract Rewards is TwoStepOwnable {
    struct Epoch {
        bytes32 root;
        uint256 remaining;
        uint256 claimableUntil;
    }

    uint256 public constant CLAIM_PERIOD = 365 days;

    IERC721 public immutable tokens;
    /// @notice Wei set aside for published epochs.
    uint256 public reserved;
    Epoch[] private _epochs;
    mapping(uint256 epoch => mapping(uint256 id => bool)) public claimed;

    event Received(address indexed from, uint256 amount);
    event EpochPublished(uint256 indexed epoch, bytes32 root, uint256 total, bytes32 statement);
    event Claimed(uint256 indexed epoch, uint256 indexed id, address indexed owner, uint256 amount);
    event EpochClosed(uint256 indexed epoch, uint256 returned);

    error NotEnough(uint256 asked, uint256 free);
    error NoSuchEpoch(uint256 epoch);
    error NotOwner(uint256 id);
    error AlreadyClaimed(uint256 epoch, uint256 id);
    error WrongProof();
    error EpochOver(uint256 epoch);
    error EpochRunning(uint256 epoch);

    constructor(address owner_, IERC721 tokens_) Ownable(owner_) {
        tokens = tokens_;
    }

    receive() external payable {
        emit Received(msg.sender, msg.value);
    }

    function epochCount() external view returns (uint256) {
        return _epochs.length;
    }

    function epochAt(uint256 epoch) public view returns (Epoch memory) {
        if (epoch >= _epochs.length) revert NoSuchEpoch(epoch);
        return _epochs[epoch];
    }

    /// @notice Wei that the next epoch may be given.
    function free() public view returns (uint256) {
        return address(this).balance - reserved;
    }

    /// @notice Open an epoch.
    /// @param root Merkle root over the leaves of `leafOf`, pairs sorted (OpenZeppelin's standard tree).
    /// @param total wei set aside; claims beyond it fail.
    /// @param statement SHA-256 of the published list of shares.
    function publish(bytes32 root, uint256 total, bytes32 statement) external onlyOwner returns (uint256 epoch) {
        if (total > free()) revert NotEnough(total, free());
        reserved += total;
        epoch = _epochs.length;
        _epochs.push(Epoch(root, total, block.timestamp + CLAIM_PERIOD));
        emit EpochPublished(epoch, root, total, statement);
    }

    /// @notice The leaf of one share: hashed twice, so that no inner node passes for a leaf.
    function leafOf(uint256 epoch, uint256 id, uint256 amount) public pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(epoch, id, amount))));
    }

    /// @notice Take the share of a token that the sender owns now.
    function claim(uint256 epoch, uint256 id, uint256 amount, bytes32[] calldata proof) external {
        bytes32 root = epochAt(epoch).root;
        if (block.timestamp > _epochs[epoch].claimableUntil) revert EpochOver(epoch);
        if (tokens.ownerOf(id) != msg.sender) revert NotOwner(id);
        if (claimed[epoch][id]) revert AlreadyClaimed(epoch, id);
        if (!MerkleProof.verifyCalldata(proof, root, leafOf(epoch, id, amount))) revert WrongProof();
        if (amount > _epochs[epoch].remaining) revert NotEnough(amount, _epochs[epoch].remaining);
        claimed[epoch][id] = true;
        _epochs[epoch].remaining -= amount;
        reserved -= amount;
        emit Claimed(epoch, id, msg.sender, amount);
        Address.sendValue(payable(msg.sender), amount);
    }

    /// @notice Return what nobody claimed in a year to the pool; anyone may.
    function close(uint256 epoch) external {
        if (block.timestamp <= epochAt(epoch).claimableUntil) revert EpochRunning(epoch);
        uint256 rest = _epochs[epoch].remaining;
        _epochs[epoch].remaining = 0;
        reserved -= rest;
        emit EpochClosed(epoch, rest);
    }
}
