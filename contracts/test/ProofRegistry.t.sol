// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";
import {IArbSys, ProofRegistry} from "../src/ProofRegistry.sol";

contract ProofRegistryTest is Test {
    ProofRegistry registry;
    address trainer = makeAddr("trainer");
    address thief = makeAddr("thief");
    bytes32 constant DATA = keccak256("data");
    bytes32 constant PLAN = keccak256("plan");
    bytes32 constant MODEL = keccak256("model");
    bytes32 constant OUTPUT = keccak256("output");
    bytes32 constant LOG = keccak256("log");
    bytes32 constant SALT = keccak256("salt");

    function setUp() public {
        registry = new ProofRegistry();
        vm.roll(100);
        vm.startPrank(trainer);
    }

    function test_CommitmentBeforeAndResultAfter() public {
        bytes32 commitment = registry.commitmentOf(trainer, DATA, PLAN, SALT);
        vm.expectEmit(address(registry));
        emit ProofRegistry.TrainingCommitted(trainer, commitment);
        registry.commitTraining(commitment);
        assertEq(registry.commitmentBlocks(trainer, commitment).committedBlock, 100);
        assertEq(registry.commitmentBlocks(trainer, commitment).registeredBlock, 0);

        vm.roll(200);
        bytes32 run = registry.runOf(trainer, DATA, MODEL);
        vm.expectEmit(address(registry));
        emit ProofRegistry.TrainingProofRegistered(run, trainer, commitment, DATA, MODEL, OUTPUT, LOG);
        assertEq(registry.registerCommittedProof(PLAN, SALT, DATA, MODEL, OUTPUT, LOG), run);
        assertEq(registry.commitmentBlocks(trainer, commitment).committedBlock, 100);
        assertEq(registry.commitmentBlocks(trainer, commitment).registeredBlock, 200);
        ProofRegistry.Run memory done = registry.proofOf(run);
        assertEq(done.trainer, trainer);
        assertEq(done.committedBlock, 100);
        assertEq(done.registeredBlock, 200);
        assertEq(
            abi.encode(done.dataHash, done.modelHash, done.outputHash, done.logHash),
            abi.encode(DATA, MODEL, OUTPUT, LOG)
        );
    }

    function test_ARunWithoutCommitmentSaysSo() public {
        bytes32 run = registry.runOf(trainer, DATA, MODEL);
        vm.expectEmit(address(registry));
        emit ProofRegistry.TrainingProofRegistered(run, trainer, 0, DATA, MODEL, OUTPUT, LOG);
        assertEq(registry.registerTrainingProof(DATA, MODEL, OUTPUT, LOG), run);
        assertEq(registry.proofOf(run).committedBlock, 0);
        assertEq(registry.proofOf(run).registeredBlock, 100);
    }

    function test_ACommitmentIsMadeOnce() public {
        bytes32 commitment = _commit();
        vm.roll(150);
        vm.expectRevert(abi.encodeWithSelector(ProofRegistry.AlreadyCommitted.selector, commitment));
        registry.commitTraining(commitment);
        assertEq(registry.commitmentBlocks(trainer, commitment).committedBlock, 100);
    }

    function test_ACommitmentAfterTrainingChangesNoRun() public {
        bytes32 run = registry.registerTrainingProof(DATA, MODEL, OUTPUT, LOG);
        _commit();
        vm.roll(200);
        vm.expectRevert(abi.encodeWithSelector(ProofRegistry.AlreadyRegistered.selector, run));
        registry.registerCommittedProof(PLAN, SALT, DATA, MODEL, OUTPUT, LOG);
        assertEq(registry.proofOf(run).committedBlock, 0);
    }

    /// Before the block that gives the seed is over, nobody can have trained with it.
    function testFuzz_NobodyRegistersBeforeTheSeedIsDrawn(uint8 later) public {
        bytes32 commitment = _commit();
        vm.roll(100 + uint256(later));
        if (later < 2) {
            vm.expectRevert(abi.encodeWithSelector(ProofRegistry.SeedNotDrawn.selector, commitment));
            registry.registerCommittedProof(PLAN, SALT, DATA, MODEL, OUTPUT, LOG);
        } else {
            registry.registerCommittedProof(PLAN, SALT, DATA, MODEL, OUTPUT, LOG);
            assertEq(registry.commitmentBlocks(trainer, commitment).registeredBlock, 100 + uint256(later));
        }
    }

    function test_TooEarlyAndJustInTime() public {
        bytes32 commitment = _commit();
        vm.roll(101);
        vm.expectRevert(abi.encodeWithSelector(ProofRegistry.SeedNotDrawn.selector, commitment));
        registry.registerCommittedProof(PLAN, SALT, DATA, MODEL, OUTPUT, LOG);
        vm.roll(102);
        registry.registerCommittedProof(PLAN, SALT, DATA, MODEL, OUTPUT, LOG);
    }

    /// One promise, one result: of several runs under one plan only the first counts.
    function testFuzz_ACommitmentIsAnsweredOnce(bytes32 model, bytes32 output, bytes32 log) public {
        vm.assume(model != 0 && output != 0 && log != 0);
        bytes32 commitment = _commit();
        vm.roll(200);
        registry.registerCommittedProof(PLAN, SALT, DATA, MODEL, OUTPUT, LOG);
        vm.roll(300);
        vm.expectRevert(abi.encodeWithSelector(ProofRegistry.AlreadyAnswered.selector, commitment));
        registry.registerCommittedProof(PLAN, SALT, DATA, model, output, log);
        assertEq(registry.commitmentBlocks(trainer, commitment).registeredBlock, 200);
    }

    function test_ACommitmentToOtherDataOrAnotherPlanIsNone() public {
        _commit();
        vm.roll(200);
        bytes32 other = registry.commitmentOf(trainer, OUTPUT, PLAN, SALT);
        vm.expectRevert(abi.encodeWithSelector(ProofRegistry.UnknownCommitment.selector, other));
        registry.registerCommittedProof(PLAN, SALT, OUTPUT, MODEL, OUTPUT, LOG);
        other = registry.commitmentOf(trainer, DATA, OUTPUT, SALT);
        vm.expectRevert(abi.encodeWithSelector(ProofRegistry.UnknownCommitment.selector, other));
        registry.registerCommittedProof(OUTPUT, SALT, DATA, MODEL, OUTPUT, LOG);
    }

    function testFuzz_ARunIsRegisteredOnce(bytes32 output, bytes32 log) public {
        vm.assume(output != 0 && log != 0);
        bytes32 run = registry.registerTrainingProof(DATA, MODEL, OUTPUT, LOG);
        vm.expectRevert(abi.encodeWithSelector(ProofRegistry.AlreadyRegistered.selector, run));
        registry.registerTrainingProof(DATA, MODEL, output, log);
        assertEq(registry.proofOf(run).outputHash, OUTPUT);
    }

    /// The copier sends the pending transaction first, into the same block, and later copies the whole run.
    function test_CopiesTakeNothingFromTheTrainer() public {
        bytes32 commitment = registry.commitmentOf(trainer, DATA, PLAN, SALT);
        vm.stopPrank();
        vm.prank(thief);
        registry.commitTraining(commitment);
        vm.prank(trainer);
        registry.commitTraining(commitment);
        vm.roll(200);
        bytes32 none = registry.commitmentOf(thief, DATA, PLAN, SALT);
        vm.startPrank(thief);
        vm.expectRevert(abi.encodeWithSelector(ProofRegistry.UnknownCommitment.selector, none));
        registry.registerCommittedProof(PLAN, SALT, DATA, MODEL, OUTPUT, LOG);
        bytes32 copied = registry.registerTrainingProof(DATA, MODEL, OUTPUT, LOG);
        vm.stopPrank();
        vm.prank(trainer);
        bytes32 run = registry.registerCommittedProof(PLAN, SALT, DATA, MODEL, OUTPUT, LOG);
        assertNotEq(copied, run);
        assertEq(registry.proofOf(copied).committedBlock, 0);
        assertEq(registry.proofOf(run).committedBlock, 100);
        assertEq(registry.commitmentBlocks(thief, commitment).registeredBlock, 0);
    }

    /// Whoever wants to know what is being trained must guess the salt too.
    function testFuzz_ACommitmentHidesWhatItPromises(bytes32 salt, bytes32 other) public view {
        vm.assume(salt != other);
        assertNotEq(registry.commitmentOf(trainer, DATA, PLAN, salt), registry.commitmentOf(trainer, DATA, PLAN, other));
    }

    function test_AnotherSaltIsAnotherCommitment() public {
        _commit();
        vm.roll(200);
        bytes32 other = registry.commitmentOf(trainer, DATA, PLAN, OUTPUT);
        vm.expectRevert(abi.encodeWithSelector(ProofRegistry.UnknownCommitment.selector, other));
        registry.registerCommittedProof(PLAN, OUTPUT, DATA, MODEL, OUTPUT, LOG);
    }

    /// `block.number` stands still there while the chain's own blocks go on.
    function test_OnArbitrumItsOwnBlocksAreCounted() public {
        vm.chainId(42161);
        vm.mockCall(address(100), abi.encodeCall(IArbSys.arbBlockNumber, ()), abi.encode(7000));
        bytes32 commitment = _commit();
        assertEq(registry.commitmentBlocks(trainer, commitment).committedBlock, 7000);
        vm.mockCall(address(100), abi.encodeCall(IArbSys.arbBlockNumber, ()), abi.encode(7001));
        vm.expectRevert(abi.encodeWithSelector(ProofRegistry.SeedNotDrawn.selector, commitment));
        registry.registerCommittedProof(PLAN, SALT, DATA, MODEL, OUTPUT, LOG);
        vm.mockCall(address(100), abi.encodeCall(IArbSys.arbBlockNumber, ()), abi.encode(7002));
        bytes32 run = registry.registerCommittedProof(PLAN, SALT, DATA, MODEL, OUTPUT, LOG);
        assertEq(registry.proofOf(run).registeredBlock, 7002);
    }

    function test_AnothersCommitmentIsNone() public {
        _commit();
        vm.roll(200);
        vm.stopPrank();
        bytes32 none = registry.commitmentOf(thief, DATA, PLAN, SALT);
        vm.prank(thief);
        vm.expectRevert(abi.encodeWithSelector(ProofRegistry.UnknownCommitment.selector, none));
        registry.registerCommittedProof(PLAN, SALT, DATA, MODEL, OUTPUT, LOG);
    }

    function test_ZeroHashesAreRefused() public {
        vm.expectRevert(ProofRegistry.ZeroHash.selector);
        registry.commitTraining(0);
        vm.expectRevert(ProofRegistry.ZeroHash.selector);
        registry.registerTrainingProof(0, MODEL, OUTPUT, LOG);
        vm.expectRevert(ProofRegistry.ZeroHash.selector);
        registry.registerTrainingProof(DATA, 0, OUTPUT, LOG);
        vm.expectRevert(ProofRegistry.ZeroHash.selector);
        registry.registerTrainingProof(DATA, MODEL, 0, LOG);
        vm.expectRevert(ProofRegistry.ZeroHash.selector);
        registry.registerTrainingProof(DATA, MODEL, OUTPUT, 0);
    }

    function test_UnknownRunAndCommitment() public {
        vm.expectRevert(abi.encodeWithSelector(ProofRegistry.UnknownRun.selector, LOG));
        registry.proofOf(LOG);
        assertEq(registry.commitmentBlocks(trainer, LOG).committedBlock, 0);
    }

    function _commit() private returns (bytes32 commitment) {
        commitment = registry.commitmentOf(trainer, DATA, PLAN, SALT);
        registry.commitTraining(commitment);
    }
}
