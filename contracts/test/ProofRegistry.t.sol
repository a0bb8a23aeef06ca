// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";
import {ProofRegistry} from "../src/ProofRegistry.sol";

contract ProofRegistryTest is Test {
    ProofRegistry registry;
    address trainer = makeAddr("trainer");
    address thief = makeAddr("thief");
    bytes32 constant DATA = keccak256("data");
    bytes32 constant MODEL = keccak256("model");
    bytes32 constant OUTPUT = keccak256("output");
    bytes32 constant LOG = keccak256("log");

    function setUp() public {
        registry = new ProofRegistry();
        vm.roll(100);
        vm.startPrank(trainer);
    }

    function test_CommitmentBeforeAndResultAfter() public {
        bytes32 run = registry.runOf(trainer, DATA, MODEL);
        vm.expectEmit(address(registry));
        emit ProofRegistry.TrainingCommitted(run, trainer, DATA, MODEL);
        assertEq(registry.commitTraining(DATA, MODEL), run);
        ProofRegistry.Run memory open = registry.proofOf(run);
        assertEq(open.committedBlock, 100);
        assertEq(open.registeredBlock, 0);
        vm.roll(200);
        vm.expectEmit(address(registry));
        emit ProofRegistry.TrainingProofRegistered(run, trainer, DATA, MODEL, OUTPUT, LOG);
        assertEq(registry.registerTrainingProof(DATA, MODEL, OUTPUT, LOG), run);
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
        bytes32 run = registry.registerTrainingProof(DATA, MODEL, OUTPUT, LOG);
        assertEq(registry.proofOf(run).committedBlock, 0);
        assertEq(registry.proofOf(run).registeredBlock, 100);
    }

    function test_ACommitmentCanNotBeMadeAfterwardsNorTwice() public {
        bytes32 run = registry.commitTraining(DATA, MODEL);
        vm.expectRevert(abi.encodeWithSelector(ProofRegistry.AlreadyCommitted.selector, run));
        registry.commitTraining(DATA, MODEL);
        run = registry.registerTrainingProof(OUTPUT, MODEL, OUTPUT, LOG);
        vm.expectRevert(abi.encodeWithSelector(ProofRegistry.AlreadyCommitted.selector, run));
        registry.commitTraining(OUTPUT, MODEL);
    }

    function testFuzz_ARunIsRegisteredOnce(bytes32 output, bytes32 log) public {
        vm.assume(output != 0 && log != 0);
        bytes32 run = registry.registerTrainingProof(DATA, MODEL, OUTPUT, LOG);
        vm.expectRevert(abi.encodeWithSelector(ProofRegistry.AlreadyRegistered.selector, run));
        registry.registerTrainingProof(DATA, MODEL, output, log);
        assertEq(registry.proofOf(run).outputHash, OUTPUT);
    }

    function test_ACopiedRegistrationTakesNothingFromTheTrainer() public {
        registry.commitTraining(DATA, MODEL);
        vm.roll(200);
        vm.stopPrank();
        vm.prank(thief);
        bytes32 copied = registry.registerTrainingProof(DATA, MODEL, OUTPUT, LOG);
        vm.prank(trainer);
        bytes32 run = registry.registerTrainingProof(DATA, MODEL, OUTPUT, LOG);
        assertNotEq(copied, run);
        assertEq(registry.proofOf(copied).committedBlock, 0);
        assertEq(registry.proofOf(run).committedBlock, 100);
    }

    function test_ZeroHashesAreRefused() public {
        vm.expectRevert(ProofRegistry.ZeroHash.selector);
        registry.commitTraining(0, MODEL);
        vm.expectRevert(ProofRegistry.ZeroHash.selector);
        registry.commitTraining(DATA, 0);
        vm.expectRevert(ProofRegistry.ZeroHash.selector);
        registry.registerTrainingProof(DATA, MODEL, 0, LOG);
        vm.expectRevert(ProofRegistry.ZeroHash.selector);
        registry.registerTrainingProof(DATA, MODEL, OUTPUT, 0);
    }

    function test_UnknownRun() public {
        vm.expectRevert(abi.encodeWithSelector(ProofRegistry.UnknownRun.selector, LOG));
        registry.proofOf(LOG);
    }
}
