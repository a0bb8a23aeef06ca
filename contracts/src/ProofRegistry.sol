// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Proofs of training: what was promised before, what came out after
/// @notice Before training a commitment names the dataset and the plan: all that decides the result but the seed, which
/// comes from the hash of the next block. After training the four hashes are registered, with the commitment that they
/// answer or without one (`committedBlock` 0). Commitments and runs belong to their sender: their ids are hashes that
/// begin with its address, so nobody can take or block another's by copying a pending transaction. Each commitment is
/// answered once and each run is registered once: nobody can try several seeds under one promise.
contract ProofRegistry {
    /// One slot.
    struct Commitment {
        uint48 committedBlock;
        uint48 registeredBlock;
    }

    /// Five slots; the times are those of the two blocks.
    struct Run {
        address trainer;
        uint48 committedBlock;
        uint48 registeredBlock;
        bytes32 dataHash;
        bytes32 modelHash;
        bytes32 outputHash;
        bytes32 logHash;
    }

    mapping(bytes32 commitment => Commitment) private _commitments;
    mapping(bytes32 run => Run) private _runs;

    event TrainingCommitted(bytes32 indexed commitment, address indexed trainer, bytes32 dataHash, bytes32 planHash);
    event TrainingProofRegistered(
        bytes32 indexed run,
        address indexed trainer,
        bytes32 indexed commitment,
        bytes32 dataHash,
        bytes32 modelHash,
        bytes32 outputHash,
        bytes32 logHash
    );

    error AlreadyCommitted(bytes32 commitment);
    error AlreadyAnswered(bytes32 commitment);
    error AlreadyRegistered(bytes32 run);
    error SeedNotDrawn(bytes32 commitment);
    error UnknownCommitment(bytes32 commitment);
    error UnknownRun(bytes32 run);
    error ZeroHash();

    /// @notice The id of a trainer's commitment.
    function commitmentOf(address trainer, bytes32 dataHash, bytes32 planHash) public pure returns (bytes32) {
        return keccak256(abi.encode("commitment", trainer, dataHash, planHash));
    }

    /// @notice The id of a trainer's run.
    function runOf(address trainer, bytes32 dataHash, bytes32 modelHash) public pure returns (bytes32) {
        return keccak256(abi.encode(trainer, dataHash, modelHash));
    }

    /// @notice Before training: promise the dataset and the plan. The hash of the next block gives the seed.
    function commitTraining(bytes32 dataHash, bytes32 planHash) external returns (bytes32 commitment) {
        if (dataHash == 0 || planHash == 0) revert ZeroHash();
        commitment = commitmentOf(msg.sender, dataHash, planHash);
        if (_commitments[commitment].committedBlock != 0) revert AlreadyCommitted(commitment);
        _commitments[commitment].committedBlock = uint48(block.number);
        emit TrainingCommitted(commitment, msg.sender, dataHash, planHash);
    }

    /// @notice After training without a commitment: the four hashes, by the trainer, once.
    function registerTrainingProof(bytes32 dataHash, bytes32 modelHash, bytes32 outputHash, bytes32 logHash)
        external
        returns (bytes32 run)
    {
        run = _register(dataHash, modelHash, outputHash, logHash, 0, 0);
    }

    /// @notice After training: the four hashes, as the one answer to a commitment. The block that gave the seed must be
    /// over: whoever registers earlier can't have trained with it.
    function registerCommittedProof(
        bytes32 planHash,
        bytes32 dataHash,
        bytes32 modelHash,
        bytes32 outputHash,
        bytes32 logHash
    ) external returns (bytes32 run) {
        bytes32 commitment = commitmentOf(msg.sender, dataHash, planHash);
        Commitment storage promised = _commitments[commitment];
        if (promised.committedBlock == 0) revert UnknownCommitment(commitment);
        if (promised.registeredBlock != 0) revert AlreadyAnswered(commitment);
        if (block.number < uint256(promised.committedBlock) + 2) revert SeedNotDrawn(commitment);
        promised.registeredBlock = uint48(block.number);
        run = _register(dataHash, modelHash, outputHash, logHash, commitment, promised.committedBlock);
    }

    /// @notice When a commitment was made and answered; 0 where it was not.
    function commitmentBlocks(bytes32 commitment) external view returns (Commitment memory) {
        return _commitments[commitment];
    }

    /// @notice What is known of a run.
    function proofOf(bytes32 run) external view returns (Run memory) {
        if (_runs[run].trainer == address(0)) revert UnknownRun(run);
        return _runs[run];
    }

    function _register(
        bytes32 dataHash,
        bytes32 modelHash,
        bytes32 outputHash,
        bytes32 logHash,
        bytes32 commitment,
        uint48 committedBlock
    ) private returns (bytes32 run) {
        if (dataHash == 0 || modelHash == 0 || outputHash == 0 || logHash == 0) revert ZeroHash();
        run = runOf(msg.sender, dataHash, modelHash);
        if (_runs[run].trainer != address(0)) revert AlreadyRegistered(run);
        _runs[run] = Run(msg.sender, committedBlock, uint48(block.number), dataHash, modelHash, outputHash, logHash);
        emit TrainingProofRegistered(run, msg.sender, commitment, dataHash, modelHash, outputHash, logHash);
    }
}
