// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";
import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {DatasetToken} from "../src/DatasetToken.sol";
import {TwoStepOwnable} from "../src/TwoStepOwnable.sol";

contract DatasetTokenTest is Test {
    DatasetToken token;
    address owner = makeAddr("owner");
    address alice = makeAddr("alice");
    address thief = makeAddr("thief");
    bytes32 constant ROOT = keccak256("dataset");
    bytes32 constant CONTENT = keccak256("content");
    bytes32 constant META = keccak256("metadata");
    uint256 constant DELAY = 5;

    function setUp() public {
        token = new DatasetToken(owner, DELAY, 500, keccak256("collection"));
        vm.roll(1_000);
    }

    function origin(address who, bytes32 root) internal pure returns (DatasetToken.Origin memory) {
        return DatasetToken.Origin(who, root, CONTENT, META, DatasetToken.Kind.Positive);
    }

    function commit(address who, bytes32 root) internal {
        bytes32 commitment = token.commitmentOf(origin(who, root));
        vm.prank(who);
        token.commit(commitment);
    }

    function mint(address who, bytes32 root) internal returns (uint256) {
        commit(who, root);
        vm.roll(block.number + DELAY);
        vm.prank(who);
        token.mint(root, CONTENT, META, DatasetToken.Kind.Positive);
        return token.idOf(who, root);
    }

    function test_MintGivesTheTokenToItsContributor() public {
        uint256 id = token.idOf(alice, ROOT);
        commit(alice, ROOT);
        uint256 announced = block.number;
        vm.roll(block.number + DELAY);
        vm.expectEmit(address(token));
        emit DatasetToken.DatasetMinted(id, ROOT, alice, DatasetToken.Kind.Positive, CONTENT, META, announced);
        vm.prank(alice);
        token.mint(ROOT, CONTENT, META, DatasetToken.Kind.Positive);
        assertEq(token.ownerOf(id), alice);
        assertEq(token.metadataOf(id), META);
        assertEq(token.contributorOf(id), alice);
    }

    function testFuzz_AnIdTellsItsContributorAndNobodyElseHasIt(address who, address other, bytes32 root) public view {
        vm.assume(who != other);
        assertEq(token.contributorOf(token.idOf(who, root)), who);
        assertNotEq(token.idOf(who, root), token.idOf(other, root));
    }

    function test_AStrangerWhoMintsTheSameDataLocksNobodyOut() public {
        uint256 theirs = mint(thief, ROOT);
        uint256 hers = mint(alice, ROOT);
        assertEq(token.ownerOf(theirs), thief);
        assertEq(token.ownerOf(hers), alice);
        (address receiver,) = token.royaltyInfo(hers, 100);
        assertEq(receiver, alice);
    }

    function test_AMintCostsAtMost100000Gas() public {
        mint(alice, keccak256("warm-up: the contract's own slots"));
        bytes32 second = keccak256("second");
        commit(thief, ROOT);
        commit(alice, second);
        vm.roll(block.number + DELAY);
        assertLe(transaction(thief, ROOT), 100_000, "first token of an owner");
        assertLe(transaction(alice, second), 100_000 - 17_000, "another token of an owner");
    }

    /// What the receipt will say: execution, less the cold call that a test adds, plus 21,000 and the call data.
    function transaction(address who, bytes32 root) internal returns (uint256 gas) {
        bytes memory data = abi.encodeCall(token.mint, (root, CONTENT, META, DatasetToken.Kind.Positive));
        uint256 intrinsic = 21_000;
        for (uint256 i = 0; i < data.length; ++i) {
            intrinsic += data[i] == 0 ? 4 : 16;
        }
        vm.cool(address(token));
        vm.prank(who);
        gas = gasleft();
        token.mint(root, CONTENT, META, DatasetToken.Kind.Positive);
        gas = gas - gasleft() - 2_600 + intrinsic;
    }

    function test_AThiefWhoCopiesAPendingMintIsAlwaysLater() public {
        commit(alice, ROOT);
        uint256 announced = block.number;
        vm.roll(block.number + DELAY);
        // Alice's mint is pending; the thief has read it and is mined first.
        vm.startPrank(thief);
        vm.expectRevert(DatasetToken.CommitmentMissing.selector);
        token.mint(ROOT, CONTENT, META, DatasetToken.Kind.Positive);
        token.commit(token.commitmentOf(origin(thief, ROOT)));
        uint256 later = block.number;
        vm.expectRevert(abi.encodeWithSelector(DatasetToken.CommitmentTooYoung.selector, block.number + DELAY));
        token.mint(ROOT, CONTENT, META, DatasetToken.Kind.Positive);
        // Alice's mint is stuck for as long as the thief needs.
        vm.roll(block.number + DELAY);
        vm.expectEmit(address(token));
        emit DatasetToken.DatasetMinted(
            token.idOf(thief, ROOT), ROOT, thief, DatasetToken.Kind.Positive, CONTENT, META, later
        );
        token.mint(ROOT, CONTENT, META, DatasetToken.Kind.Positive);
        vm.stopPrank();
        vm.expectEmit(address(token));
        emit DatasetToken.DatasetMinted(
            token.idOf(alice, ROOT), ROOT, alice, DatasetToken.Kind.Positive, CONTENT, META, announced
        );
        vm.prank(alice);
        token.mint(ROOT, CONTENT, META, DatasetToken.Kind.Positive);
        assertLt(announced, later);
    }

    function test_ACopiedCommitmentIsOfNoUse() public {
        bytes32 hers = token.commitmentOf(origin(alice, ROOT));
        vm.prank(thief);
        token.commit(hers);
        vm.roll(block.number + DELAY);
        vm.prank(thief);
        vm.expectRevert(DatasetToken.CommitmentMissing.selector);
        token.mint(ROOT, CONTENT, META, DatasetToken.Kind.Positive);
        // Her own announcement, mined after the copy, neither fails nor makes hers younger.
        uint256 ready = token.readyBlock(hers);
        vm.prank(alice);
        token.commit(hers);
        assertEq(token.readyBlock(hers), ready);
        vm.prank(alice);
        token.mint(ROOT, CONTENT, META, DatasetToken.Kind.Positive);
        assertEq(token.ownerOf(token.idOf(alice, ROOT)), alice);
    }

    function test_ACommitmentIsForOneMintOnly() public {
        uint256 id = mint(alice, ROOT);
        assertEq(token.readyBlock(token.commitmentOf(origin(alice, ROOT))), 0);
        vm.prank(alice);
        vm.expectRevert(DatasetToken.CommitmentMissing.selector);
        token.mint(ROOT, CONTENT, META, DatasetToken.Kind.Positive);
        // Announced anew, it is minted already; what it says of itself stays.
        DatasetToken.Origin memory other = origin(alice, ROOT);
        other.metadata = CONTENT;
        token.commit(token.commitmentOf(other));
        vm.roll(block.number + DELAY);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(DatasetToken.AlreadyMinted.selector, id));
        token.mint(ROOT, CONTENT, CONTENT, DatasetToken.Kind.Positive);
        assertEq(token.metadataOf(id), META);
    }

    function test_ReadyBlock() public {
        bytes32 commitment = token.commitmentOf(origin(alice, ROOT));
        assertEq(token.readyBlock(commitment), 0);
        commit(alice, ROOT);
        assertEq(token.readyBlock(commitment), block.number + DELAY);
        vm.roll(block.number + DELAY - 1);
        vm.expectRevert(abi.encodeWithSelector(DatasetToken.CommitmentTooYoung.selector, block.number + 1));
        vm.prank(alice);
        token.mint(ROOT, CONTENT, META, DatasetToken.Kind.Positive);
    }

    function testFuzz_OnlyWhatWasCommittedCanBeMinted(bytes32 root, bytes32 content, bytes32 metadata, uint8 kind)
        public
    {
        DatasetToken.Kind sort = DatasetToken.Kind(kind % 3);
        bool same = root == ROOT && content == CONTENT && metadata == META && sort == DatasetToken.Kind.Positive;
        vm.assume(!same);
        commit(alice, ROOT);
        vm.roll(block.number + DELAY);
        vm.prank(alice);
        vm.expectRevert(DatasetToken.CommitmentMissing.selector);
        token.mint(root, content, metadata, sort);
    }

    function test_TokenURIIsTheCidOfTheMetadata() public {
        // The CID of the file "hello world\n" as kubo prints it (`ipfs add --cid-version=1 --raw-leaves`).
        bytes32 digest = sha256("hello world\n");
        DatasetToken.Origin memory o = origin(alice, ROOT);
        o.metadata = digest;
        bytes32 commitment = token.commitmentOf(o);
        token.commit(commitment);
        vm.roll(block.number + DELAY);
        vm.prank(alice);
        token.mint(ROOT, CONTENT, digest, DatasetToken.Kind.Positive);
        assertEq(
            token.tokenURI(token.idOf(alice, ROOT)),
            "ipfs://bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4"
        );
    }

    function test_UnknownTokensHaveNoUriAndNoMetadata() public {
        uint256 id = token.idOf(alice, ROOT);
        bytes memory expected = abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, id);
        vm.expectRevert(expected);
        token.tokenURI(id);
        vm.expectRevert(expected);
        token.metadataOf(id);
    }

    function test_ContractURI() public {
        string memory before = token.contractURI();
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, alice));
        token.setContractMetadata(META);
        vm.expectEmit(address(token));
        emit DatasetToken.ContractURIUpdated();
        vm.prank(owner);
        token.setContractMetadata(META);
        assertNotEq(token.contractURI(), before);
    }

    function testFuzz_RoyaltiesReachTheContributorAfterTheSale(uint128 price) public {
        uint256 id = mint(alice, ROOT);
        vm.prank(alice);
        token.transferFrom(alice, thief, id);
        (address receiver, uint256 due) = token.royaltyInfo(id, price);
        assertEq(receiver, alice);
        assertEq(due, uint256(price) * 5 / 100);
        // As marketplaces of old pay: 2,300 gas and nothing warm.
        vm.deal(address(this), due);
        vm.cool(receiver);
        vm.cool(address(token));
        payable(receiver).transfer(due);
        assertEq(alice.balance, due);
    }

    function test_TheOwnerIsReplacedInTwoStepsAndNeverLost() public {
        vm.startPrank(owner);
        vm.expectRevert(TwoStepOwnable.OwnerNeeded.selector);
        token.renounceOwnership();
        token.transferOwnership(alice);
        assertEq(token.owner(), owner);
        vm.stopPrank();
        vm.prank(thief);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, thief));
        token.acceptOwnership();
        vm.prank(alice);
        token.acceptOwnership();
        assertEq(token.owner(), alice);
    }

    function test_Interfaces() public view {
        assertTrue(token.supportsInterface(0x80ac58cd), "ERC-721");
        assertTrue(token.supportsInterface(0x5b5e139f), "ERC-721 metadata");
        assertTrue(token.supportsInterface(0x2a55205a), "ERC-2981");
        assertTrue(token.supportsInterface(0x01ffc9a7), "ERC-165");
        assertFalse(token.supportsInterface(0xffffffff));
    }

    function test_WrongConstruction() public {
        vm.expectRevert(DatasetToken.ZeroDelay.selector);
        new DatasetToken(owner, 0, 500, META);
        vm.expectRevert(abi.encodeWithSelector(DatasetToken.RoyaltyTooHigh.selector, 1_001));
        new DatasetToken(owner, 1, 1_001, META);
    }
}

/// Many people commit, wait, mint and trade at random, several of them the same data.
contract MintHandler is Test {
    DatasetToken public token;
    uint256[] public ids;
    mapping(uint256 => bytes32) public metadata;
    mapping(uint256 => address) public contributor;
    mapping(uint256 => address) public holder;

    constructor(DatasetToken token_) {
        token = token_;
    }

    function who(uint256 seed) internal pure returns (address) {
        return address(uint160(0x1000 + seed % 5));
    }

    function root(uint256 seed) internal pure returns (bytes32) {
        return keccak256(abi.encode(seed % 4));
    }

    function commit(uint256 seed, uint256 data, uint256 version) external {
        DatasetToken.Origin memory origin =
            DatasetToken.Origin(who(seed), root(data), root(data), bytes32(version % 3), DatasetToken.Kind.Positive);
        token.commit(token.commitmentOf(origin));
        vm.roll(block.number + 1);
    }

    function mint(uint256 seed, uint256 data, uint256 version) external {
        uint256 id = token.idOf(who(seed), root(data));
        vm.prank(who(seed));
        try token.mint(root(data), root(data), bytes32(version % 3), DatasetToken.Kind.Positive) {
            assertEq(contributor[id], address(0), "minted twice");
            ids.push(id);
            metadata[id] = bytes32(version % 3);
            contributor[id] = who(seed);
            holder[id] = who(seed);
        } catch {}
    }

    function trade(uint256 pick, uint256 to) external {
        if (ids.length == 0) return;
        uint256 id = ids[pick % ids.length];
        vm.prank(holder[id]);
        token.transferFrom(holder[id], who(to), id);
        holder[id] = who(to);
    }

    function count() external view returns (uint256) {
        return ids.length;
    }
}

contract DatasetTokenInvariants is Test {
    DatasetToken token;
    MintHandler handler;

    function setUp() public {
        token = new DatasetToken(address(this), 2, 500, 0);
        handler = new MintHandler(token);
        targetContract(address(handler));
        vm.roll(100);
    }

    function invariant_WhatWasMintedNeverChangesButItsOwner() public view {
        for (uint256 i = 0; i < handler.count(); ++i) {
            uint256 id = handler.ids(i);
            assertEq(token.ownerOf(id), handler.holder(id));
            assertEq(token.metadataOf(id), handler.metadata(id));
            (address receiver,) = token.royaltyInfo(id, 100);
            assertEq(receiver, handler.contributor(id));
        }
    }
}
