// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Rewards} from "../src/Rewards.sol";
import {TwoStepOwnable} from "../src/TwoStepOwnable.sol";

contract Tokens is ERC721("t", "t") {
    function mint(address to, uint256 id) external {
        _mint(to, id);
    }
}

/// Tries to be paid again while it is being paid.
contract Greedy {
    Rewards rewards;
    uint256 id;
    uint256 amount;
    bytes32[] proof;
    bool public refused;

    constructor(Rewards rewards_, uint256 id_, uint256 amount_, bytes32[] memory proof_) {
        (rewards, id, amount, proof) = (rewards_, id_, amount_, proof_);
    }

    function claim() external {
        rewards.claim(0, id, amount, proof);
    }

    receive() external payable {
        try rewards.claim(0, id, amount, proof) {}
        catch {
            refused = true;
        }
    }
}

contract RewardsTest is Test {
    Rewards rewards;
    Tokens tokens;
    address owner = makeAddr("owner");
    address alice = makeAddr("alice");
    address bob = makeAddr("bob");

    function setUp() public {
        tokens = new Tokens();
        rewards = new Rewards(owner, tokens);
        tokens.mint(alice, 1);
        tokens.mint(bob, 2);
        fund(10 ether);
    }

    function fund(uint256 amount) internal {
        // With the 2,300 gas of `transfer` and nothing warm: whoever pays may be an old contract.
        vm.deal(address(this), amount);
        vm.cool(address(rewards));
        payable(address(rewards)).transfer(amount);
    }

    function test_TheOwnershipIsNotGivenUp() public {
        vm.prank(owner);
        vm.expectRevert(TwoStepOwnable.OwnerNeeded.selector);
        rewards.renounceOwnership();
    }

    function pair(bytes32 a, bytes32 b) internal pure returns (bytes32) {
        return a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
    }

    function one(bytes32 a) internal pure returns (bytes32[] memory proof) {
        proof = new bytes32[](1);
        proof[0] = a;
    }

    /// An epoch of two shares.
    function publish(uint256 first, uint256 second) internal returns (uint256 epoch) {
        epoch = rewards.epochCount();
        bytes32 root = pair(rewards.leafOf(epoch, 1, first), rewards.leafOf(epoch, 2, second));
        vm.prank(owner);
        rewards.publish(root, first + second, keccak256("statement"));
    }

    function test_OwnersClaimTheirShares() public {
        uint256 epoch = publish(3 ether, 1 ether);
        assertEq(rewards.free(), 6 ether);
        bytes32[] memory proof = one(rewards.leafOf(epoch, 2, 1 ether));
        vm.expectEmit(address(rewards));
        emit Rewards.Claimed(epoch, 1, alice, 3 ether);
        vm.prank(alice);
        rewards.claim(epoch, 1, 3 ether, proof);
        assertEq(alice.balance, 3 ether);
        assertEq(rewards.epochAt(epoch).remaining, 1 ether);
        assertEq(rewards.reserved(), 1 ether);
    }

    function test_TheBuyerOfATokenClaims() public {
        uint256 epoch = publish(3 ether, 1 ether);
        bytes32[] memory proof = one(rewards.leafOf(epoch, 2, 1 ether));
        vm.prank(alice);
        tokens.transferFrom(alice, bob, 1);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(Rewards.NotOwner.selector, 1));
        rewards.claim(epoch, 1, 3 ether, proof);
        vm.prank(bob);
        rewards.claim(epoch, 1, 3 ether, proof);
        assertEq(bob.balance, 3 ether);
    }

    function test_NobodyClaimsTwice() public {
        uint256 epoch = publish(3 ether, 1 ether);
        bytes32[] memory proof = one(rewards.leafOf(epoch, 2, 1 ether));
        vm.startPrank(alice);
        rewards.claim(epoch, 1, 3 ether, proof);
        vm.expectRevert(abi.encodeWithSelector(Rewards.AlreadyClaimed.selector, epoch, 1));
        rewards.claim(epoch, 1, 3 ether, proof);
        vm.stopPrank();
        // Nor does the next owner.
        vm.prank(alice);
        tokens.transferFrom(alice, bob, 1);
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(Rewards.AlreadyClaimed.selector, epoch, 1));
        rewards.claim(epoch, 1, 3 ether, proof);
    }

    function test_NorByReentry() public {
        uint256 epoch = rewards.epochCount();
        bytes32 other = rewards.leafOf(epoch, 2, 1 ether);
        Greedy greedy = new Greedy(rewards, 7, 1 ether, one(other));
        tokens.mint(address(greedy), 7);
        bytes32 root = pair(rewards.leafOf(epoch, 7, 1 ether), other);
        vm.prank(owner);
        rewards.publish(root, 2 ether, 0);
        greedy.claim();
        assertTrue(greedy.refused());
        assertEq(address(greedy).balance, 1 ether);
    }

    function testFuzz_AnotherAmountIsRefused(uint256 amount) public {
        vm.assume(amount != 3 ether);
        uint256 epoch = publish(3 ether, 1 ether);
        bytes32[] memory proof = one(rewards.leafOf(epoch, 2, 1 ether));
        vm.prank(alice);
        vm.expectRevert(Rewards.WrongProof.selector);
        rewards.claim(epoch, 1, amount, proof);
    }

    function test_AnotherEpochsProofIsRefused() public {
        publish(3 ether, 1 ether);
        uint256 second = publish(2 ether, 1 ether);
        bytes32[] memory proof = one(rewards.leafOf(0, 2, 1 ether));
        vm.prank(alice);
        vm.expectRevert(Rewards.WrongProof.selector);
        rewards.claim(second, 1, 3 ether, proof);
        vm.expectRevert(abi.encodeWithSelector(Rewards.NoSuchEpoch.selector, 2));
        rewards.claim(2, 1, 3 ether, proof);
    }

    function test_AnEpochSpendsNoMoreThanItsTotal() public {
        bytes32 root = pair(rewards.leafOf(0, 1, 3 ether), rewards.leafOf(0, 2, 1 ether));
        bytes32[] memory proof = one(rewards.leafOf(0, 2, 1 ether));
        vm.prank(owner);
        rewards.publish(root, 2 ether, 0);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(Rewards.NotEnough.selector, 3 ether, 2 ether));
        rewards.claim(0, 1, 3 ether, proof);
    }

    function test_OnlyWhatIsThereCanBeSetAside() public {
        publish(4 ether, 4 ether);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(Rewards.NotEnough.selector, 3 ether, 2 ether));
        rewards.publish(0, 3 ether, 0);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, address(this)));
        rewards.publish(0, 1, 0);
    }

    function test_WhatNobodyClaimsReturnsAfterAYear() public {
        uint256 epoch = publish(3 ether, 1 ether);
        bytes32[] memory proof = one(rewards.leafOf(epoch, 2, 1 ether));
        vm.expectRevert(abi.encodeWithSelector(Rewards.EpochRunning.selector, epoch));
        rewards.close(epoch);
        vm.warp(block.timestamp + 365 days + 1);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(Rewards.EpochOver.selector, epoch));
        rewards.claim(epoch, 1, 3 ether, proof);
        rewards.close(epoch);
        assertEq(rewards.free(), 10 ether);
        rewards.close(epoch);
        assertEq(rewards.free(), 10 ether);
    }
}

contract RewardsHandler is Test {
    Rewards public rewards;
    Tokens public tokens;
    uint256 public received;
    uint256 public paid;
    uint256[] public amounts;

    constructor(Rewards rewards_, Tokens tokens_) {
        (rewards, tokens) = (rewards_, tokens_);
    }

    function fund(uint64 amount) external {
        vm.deal(address(this), amount);
        (bool ok,) = address(rewards).call{value: amount}("");
        assertTrue(ok);
        received += amount;
    }

    /// An epoch of one share: the root is the leaf.
    function publish(uint64 amount, bool lie) external {
        uint256 epoch = rewards.epochCount();
        bytes32 root = rewards.leafOf(epoch, epoch % 3, amount);
        vm.prank(rewards.owner());
        try rewards.publish(root, lie ? amount / 2 : amount, 0) {
            amounts.push(amount);
        } catch {}
    }

    function claim(uint256 epoch) external {
        if (amounts.length == 0) return;
        epoch = epoch % amounts.length;
        vm.prank(tokens.ownerOf(epoch % 3));
        try rewards.claim(epoch, epoch % 3, amounts[epoch], new bytes32[](0)) {
            paid += amounts[epoch];
        } catch {}
    }

    function close(uint256 epoch, uint256 skip) external {
        if (amounts.length == 0) return;
        vm.warp(block.timestamp + skip % 100 days);
        try rewards.close(epoch % amounts.length) {} catch {}
    }
}

contract RewardsInvariants is Test {
    Rewards rewards;
    RewardsHandler handler;

    function setUp() public {
        Tokens tokens = new Tokens();
        for (uint256 id = 0; id < 3; ++id) {
            tokens.mint(address(uint160(0x3000 + id)), id);
        }
        rewards = new Rewards(makeAddr("owner"), tokens);
        handler = new RewardsHandler(rewards, tokens);
        targetContract(address(handler));
    }

    function invariant_WhatIsSetAsideIsThere() public view {
        uint256 remaining;
        for (uint256 epoch = 0; epoch < rewards.epochCount(); ++epoch) {
            remaining += rewards.epochAt(epoch).remaining;
        }
        assertEq(rewards.reserved(), remaining);
        assertGe(address(rewards).balance, rewards.reserved());
        assertEq(address(rewards).balance, handler.received() - handler.paid());
    }
}
