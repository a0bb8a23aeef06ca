// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Proofs of training: what was promised before, what came out after
/// @notice A run belongs to its sender: its id is the hash of (trainer, dataHash, modelHash), so nobody can take or block
/// another's run by copying a pending transaction. Each run is registered once. A run that was committed to before
/// training can derive its seed from the hash of the block after the commitment; one that was not says so
/// (`committedBlock` 0).
contract ProofRegistry {
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

    mapping(bytes32 run => Run) private _runs;

    event TrainingCommitted(bytes32 indexed run, address indexed trainer, bytes32 dataHash, bytes32 modelHash);
    event TrainingProofRegistered(
        bytes32 indexed run,
        address indexed trainer,
        bytes32 dataHash,
        bytes32 modelHash,
        bytes32 outputHash,
        bytes32 logHash
    );

    error AlreadyCommitted(bytes32 run);
    error AlreadyRegistered(bytes32 run);
    error ZeroHash();
    error UnknownRun(bytes32 run);

    /// @notice The id of a trainer's run.
    function runOf(address trainer, bytes32 dataHash, bytes32 modelHash) public pure returns (bytes32) {
        return keccak256(abi.encode(trainer, dataHash, modelHash));
    }

    /// @notice Before training: promise the dataset and the initial model with its recipe.
    function commitTraining(bytes32 dataHash, bytes32 modelHash) external returns (bytes32 run) {
        run = runOf(msg.sender, dataHash, modelHash);
        if (_runs[run].trainer != address(0)) revert AlreadyCommitted(run);
        _open(run, dataHash, modelHash);
        _runs[run].committedBlock = uint48(block.number);
        emit TrainingCommitted(run, msg.sender, dataHash, modelHash);
    }

    /// @notice After training: the four hashes, by the trainer, once.
    function registerTrainingProof(bytes32 dataHash, bytes32 modelHash, bytes32 outputHash, bytes32 logHash)
        external
        returns (bytes32 run)
    {
        if (outputHash == 0 || logHash == 0) revert ZeroHash();
        run = runOf(msg.sender, dataHash, modelHash);
        if (_runs[run].registeredBlock != 0) revert AlreadyRegistered(run);
        if (_runs[run].trainer == address(0)) _open(run, dataHash, modelHash);
        Run storage stored = _runs[run];
        stored.registeredBlock = uint48(block.number);
        stored.outputHash = outputHash;
        stored.logHash = logHash;
        emit TrainingProofRegistered(run, msg.sender, dataHash, modelHash, outputHash, logHash);
    }

    /// @notice What is known of a run.
    function proofOf(bytes32 run) external view returns (Run memory) {
        if (_runs[run].trainer == address(0)) revert UnknownRun(run);
        return _runs[run];
    }

    function _open(bytes32 run, bytes32 dataHash, bytes32 modelHash) private {
        if (dataHash == 0 || modelHash == 0) revert ZeroHash();
        Run storage stored = _runs[run];
        stored.trainer = msg.sender;
        stored.dataHash = dataHash;
        stored.modelHash = modelHash;
    }
}
