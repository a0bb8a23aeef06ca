// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// The system contract of Arbitrum chains that knows their own block numbers.
interface IArbSys {
    function arbBlockNumber() external view returns (uint256);
}

/// @title Proofs of training: what was promised before, what came out after
/// @notice Before training a commitment hides the dataset and the plan (all that decides the result but the seed, which
/// comes from a later block and the trainer's address). After training the four hashes are registered, with the
/// commitment that they answer, revealed, or without one (`committedBlock` 0). A commitment is a hash over its trainer's
/// address, so that a copy of a pending transaction is worth nothing, and over a salt, so that nobody knows what is being
/// trained. Each is answered once and each run is registered once. What stays unanswered can be seen by all.
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

    mapping(address trainer => mapping(bytes32 commitment => Commitment)) private _commitments;
    mapping(bytes32 run => Run) private _runs;

    event TrainingCommitted(address indexed trainer, bytes32 indexed commitment);
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

    /// @notice The commitment of a trainer to a dataset and a plan; the salt is to be random and kept until the run is
    /// registered.
    function commitmentOf(address trainer, bytes32 dataHash, bytes32 planHash, bytes32 salt)
        public
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode("commitment", trainer, dataHash, planHash, salt));
    }

    /// @notice The id of a trainer's run.
    function runOf(address trainer, bytes32 dataHash, bytes32 modelHash) public pure returns (bytes32) {
        return keccak256(abi.encode(trainer, dataHash, modelHash));
    }

    /// @notice Before training: promise what `commitmentOf` hides. The block after this one gives the seed.
    function commitTraining(bytes32 commitment) external {
        if (commitment == 0) revert ZeroHash();
        Commitment storage promised = _commitments[msg.sender][commitment];
        if (promised.committedBlock != 0) revert AlreadyCommitted(commitment);
        promised.committedBlock = _blockNumber();
        emit TrainingCommitted(msg.sender, commitment);
    }

    /// @notice After training without a commitment: the four hashes, by the trainer, once.
    function registerTrainingProof(bytes32 dataHash, bytes32 modelHash, bytes32 outputHash, bytes32 logHash)
        external
        returns (bytes32 run)
    {
        run = _register(dataHash, modelHash, outputHash, logHash, 0, 0, _blockNumber());
    }

    /// @notice After training: the four hashes, as the one answer to a commitment, which plan and salt reveal. The block
    /// that gave the seed must be over: whoever registers earlier can't have trained with it.
    function registerCommittedProof(
        bytes32 planHash,
        bytes32 salt,
        bytes32 dataHash,
        bytes32 modelHash,
        bytes32 outputHash,
        bytes32 logHash
    ) external returns (bytes32 run) {
        bytes32 commitment = commitmentOf(msg.sender, dataHash, planHash, salt);
        Commitment storage promised = _commitments[msg.sender][commitment];
        uint48 committed = promised.committedBlock;
        uint48 number = _blockNumber();
        if (committed == 0) revert UnknownCommitment(commitment);
        if (promised.registeredBlock != 0) revert AlreadyAnswered(commitment);
        if (number < committed + 2) revert SeedNotDrawn(commitment);
        promised.registeredBlock = number;
        run = _register(dataHash, modelHash, outputHash, logHash, commitment, committed, number);
    }

    /// @notice When a trainer's commitment was made and answered; 0 where it was not.
    function commitmentBlocks(address trainer, bytes32 commitment) external view returns (Commitment memory) {
        return _commitments[trainer][commitment];
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
        uint48 committedBlock,
        uint48 number
    ) private returns (bytes32 run) {
        if (dataHash == 0 || modelHash == 0 || outputHash == 0 || logHash == 0) revert ZeroHash();
        run = runOf(msg.sender, dataHash, modelHash);
        if (_runs[run].trainer != address(0)) revert AlreadyRegistered(run);
        _runs[run] = Run(msg.sender, committedBlock, number, dataHash, modelHash, outputHash, logHash);
        emit TrainingProofRegistered(run, msg.sender, commitment, dataHash, modelHash, outputHash, logHash);
    }

    /// On Arbitrum `block.number` is that of Ethereum, near enough to be wrong: the chain's own blocks are counted there.
    function _blockNumber() private view returns (uint48) {
        if (block.chainid == 42161 || block.chainid == 42170 || block.chainid == 421614) {
            return uint48(IArbSys(address(100)).arbBlockNumber());
        }
        return uint48(block.number);
    }
}
