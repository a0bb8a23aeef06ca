// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";
import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {DatasetToken} from "../src/DatasetToken.sol";
import {RoyaltyVault} from "../src/RoyaltyVault.sol";

contract Coin is ERC20("coin", "COIN") {
    function issue(address to, uint256 amount) external {
        _mint(to, amount);
    }
}

contract DatasetTokenTest is Test {
    DatasetToken token;
    address owner = makeAddr("owner");
    address alice = makeAddr("alice");
    address thief = makeAddr("thief");
    uint256 constant ID = uint256(keccak256("dataset"));
    bytes32 constant CONTENT = keccak256("content");
    bytes32 constant META = keccak256("metadata");
    uint256 constant DELAY = 5;

    function setUp() public {
        token = new DatasetToken(owner, DELAY, 500, keccak256("collection"));
        vm.roll(1_000);
    }

    function origin(address who, uint256 id) internal pure returns (DatasetToken.Origin memory) {
        return DatasetToken.Origin(who, id, CONTENT, META, DatasetToken.Kind.Positive);
    }

    function commit(address who, uint256 id) internal {
        bytes32 commitment = token.commitmentOf(origin(who, id));
        vm.prank(who);
        token.commit(commitment);
    }

    function mint(address who, uint256 id) internal {
        commit(who, id);
        vm.roll(block.number + DELAY);
        vm.prank(who);
        token.mint(id, CONTENT, META, DatasetToken.Kind.Positive);
    }

    function test_MintGivesTheTokenToItsContributor() public {
        commit(alice, ID);
        vm.roll(block.number + DELAY);
        vm.expectEmit(address(token));
        emit DatasetToken.DatasetMinted(ID, alice, DatasetToken.Kind.Positive, CONTENT, META);
        vm.prank(alice);
        token.mint(ID, CONTENT, META, DatasetToken.Kind.Positive);
        assertEq(token.ownerOf(ID), alice);
        assertEq(token.metadataOf(ID), META);
        assertTrue(token.isOrigin(origin(alice, ID)));
        assertFalse(token.isOrigin(origin(thief, ID)));
    }

    function test_AMintCostsAtMost100000Gas() public {
        mint(alice, uint256(keccak256("warm-up: the contract's own slots")));
        uint256 second = uint256(keccak256("second"));
        commit(thief, ID);
        commit(alice, second);
        vm.roll(block.number + DELAY);
        assertLe(transaction(thief, ID), 100_000, "first token of an owner");
        assertLe(transaction(alice, second), 100_000 - 17_000, "another token of an owner");
    }

    /// What the receipt will say: execution, less the cold call that a test adds, plus 21,000 and the call data.
    function transaction(address who, uint256 id) internal returns (uint256 gas) {
        bytes memory data = abi.encodeCall(token.mint, (id, CONTENT, META, DatasetToken.Kind.Positive));
        uint256 intrinsic = 21_000;
        for (uint256 i = 0; i < data.length; ++i) {
            intrinsic += data[i] == 0 ? 4 : 16;
        }
        vm.cool(address(token));
        vm.prank(who);
        gas = gasleft();
        token.mint(id, CONTENT, META, DatasetToken.Kind.Positive);
        gas = gas - gasleft() - 2_600 + intrinsic;
    }

    function test_AThiefWhoCopiesAPendingMintGetsNothing() public {
        commit(alice, ID);
        vm.roll(block.number + DELAY);
        // Alice's mint is pending; the thief has read it and is mined first.
        vm.startPrank(thief);
        vm.expectRevert(DatasetToken.CommitmentMissing.selector);
        token.mint(ID, CONTENT, META, DatasetToken.Kind.Positive);
        token.commit(token.commitmentOf(origin(thief, ID)));
        vm.expectRevert(abi.encodeWithSelector(DatasetToken.CommitmentTooYoung.selector, block.number + DELAY));
        token.mint(ID, CONTENT, META, DatasetToken.Kind.Positive);
        vm.stopPrank();
        vm.roll(block.number + DELAY - 1);
        vm.prank(alice);
        token.mint(ID, CONTENT, META, DatasetToken.Kind.Positive);
        vm.roll(block.number + DELAY);
        vm.prank(thief);
        vm.expectRevert(abi.encodeWithSelector(DatasetToken.AlreadyMinted.selector, ID));
        token.mint(ID, CONTENT, META, DatasetToken.Kind.Positive);
        assertEq(token.ownerOf(ID), alice);
        assertEq(token.metadataOf(ID), META);
    }

    function test_ACopiedCommitmentIsOfNoUse() public {
        bytes32 hers = token.commitmentOf(origin(alice, ID));
        vm.prank(thief);
        token.commit(hers);
        vm.roll(block.number + DELAY);
        vm.prank(thief);
        vm.expectRevert(DatasetToken.CommitmentMissing.selector);
        token.mint(ID, CONTENT, META, DatasetToken.Kind.Positive);
        // It doesn't hold her up either: the commitment is hers, whoever paid for it.
        vm.prank(alice);
        token.mint(ID, CONTENT, META, DatasetToken.Kind.Positive);
        assertEq(token.ownerOf(ID), alice);
    }

    function test_ACommitmentIsForOneMintOnly() public {
        mint(alice, ID);
        bytes32 used = token.commitmentOf(origin(alice, ID));
        assertEq(token.readyBlock(used), type(uint256).max);
        vm.prank(alice);
        vm.expectRevert(DatasetToken.CommitmentExists.selector);
        token.commit(used);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(DatasetToken.AlreadyMinted.selector, ID));
        token.mint(ID, CONTENT, META, DatasetToken.Kind.Positive);
    }

    function test_ReadyBlock() public {
        bytes32 commitment = token.commitmentOf(origin(alice, ID));
        assertEq(token.readyBlock(commitment), 0);
        commit(alice, ID);
        assertEq(token.readyBlock(commitment), block.number + DELAY);
    }

    function testFuzz_OnlyWhatWasCommittedCanBeMinted(uint256 id, bytes32 content, bytes32 metadata, uint8 kind)
        public
    {
        DatasetToken.Kind sort = DatasetToken.Kind(kind % 3);
        bool same = id == ID && content == CONTENT && metadata == META && sort == DatasetToken.Kind.Positive;
        vm.assume(!same);
        commit(alice, ID);
        vm.roll(block.number + DELAY);
        vm.prank(alice);
        vm.expectRevert(DatasetToken.CommitmentMissing.selector);
        token.mint(id, content, metadata, sort);
    }

    function test_TokenURIIsTheCidOfTheMetadata() public {
        // The CID of the file "hello world\n" as kubo prints it (`ipfs add --cid-version=1 --raw-leaves`).
        bytes32 digest = sha256("hello world\n");
        DatasetToken.Origin memory o = origin(alice, ID);
        o.metadata = digest;
        bytes32 commitment = token.commitmentOf(o);
        token.commit(commitment);
        vm.roll(block.number + DELAY);
        vm.prank(alice);
        token.mint(ID, CONTENT, digest, DatasetToken.Kind.Positive);
        assertEq(token.tokenURI(ID), "ipfs://bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4");
    }

    function test_OnlyTheOwnerChangesMetadata() public {
        mint(alice, ID);
        vm.prank(thief);
        vm.expectRevert(abi.encodeWithSelector(DatasetToken.NotOwner.selector, ID));
        token.setMetadata(ID, CONTENT);
        vm.expectEmit(address(token));
        emit IERC4906Events.MetadataUpdate(ID);
        vm.prank(alice);
        token.setMetadata(ID, CONTENT);
        assertEq(token.metadataOf(ID), CONTENT);
        // Where it came from is unchanged.
        assertTrue(token.isOrigin(origin(alice, ID)));
    }

    function test_UnknownTokensHaveNoUriAndNoMetadata() public {
        bytes memory expected = abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, ID);
        vm.expectRevert(expected);
        token.tokenURI(ID);
        vm.expectRevert(expected);
        token.metadataOf(ID);
        vm.expectRevert(expected);
        token.setMetadata(ID, META);
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
        vm.assume(price >= 20);
        mint(alice, ID);
        vm.prank(alice);
        token.transferFrom(alice, thief, ID);
        (address vault, uint256 due) = token.royaltyInfo(ID, price);
        assertEq(due, uint256(price) * 5 / 100);
        vm.deal(address(this), due);
        (bool ok,) = vault.call{value: due}("");
        assertTrue(ok);
        assertEq(token.collectRoyalties(origin(alice, ID), IERC20(address(0))), due);
        assertEq(alice.balance, due);
        // The vault is there now and goes on working.
        vm.deal(address(this), 7);
        (ok,) = vault.call{value: 7}("");
        assertTrue(ok);
        token.collectRoyalties(origin(alice, ID), IERC20(address(0)));
        assertEq(alice.balance, due + 7);
    }

    function test_RoyaltiesInTokens() public {
        mint(alice, ID);
        Coin coin = new Coin();
        coin.issue(token.royaltyVault(ID), 500);
        token.collectRoyalties(origin(alice, ID), coin);
        assertEq(coin.balanceOf(alice), 500);
    }

    function test_NobodyElseCollectsRoyalties() public {
        mint(alice, ID);
        commit(thief, ID);
        vm.expectRevert(abi.encodeWithSelector(DatasetToken.NotTheOrigin.selector, ID));
        vm.prank(thief);
        token.collectRoyalties(origin(thief, ID), IERC20(address(0)));
        token.collectRoyalties(origin(alice, ID), IERC20(address(0)));
        RoyaltyVault vault = RoyaltyVault(payable(token.royaltyVault(ID)));
        vm.prank(thief);
        vm.expectRevert(RoyaltyVault.OnlyToken.selector);
        vault.sweep(thief, IERC20(address(0)));
    }

    function test_Interfaces() public view {
        assertTrue(token.supportsInterface(0x80ac58cd), "ERC-721");
        assertTrue(token.supportsInterface(0x5b5e139f), "ERC-721 metadata");
        assertTrue(token.supportsInterface(0x2a55205a), "ERC-2981");
        assertTrue(token.supportsInterface(0x49064906), "ERC-4906");
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

interface IERC4906Events {
    event MetadataUpdate(uint256 _tokenId);
}

/// Many people commit, wait, mint and trade at random.
contract MintHandler is Test {
    DatasetToken public token;
    uint256[] public ids;
    mapping(uint256 => address) public contributor;
    mapping(uint256 => address) public holder;

    constructor(DatasetToken token_) {
        token = token_;
    }

    function who(uint256 seed) internal pure returns (address) {
        return address(uint160(0x1000 + seed % 5));
    }

    function origin(address a, uint256 id) public pure returns (DatasetToken.Origin memory) {
        return DatasetToken.Origin(a, id, bytes32(id), bytes32(~id), DatasetToken.Kind(id % 3));
    }

    function commit(uint256 seed, uint256 id) external {
        bytes32 commitment = token.commitmentOf(origin(who(seed), 1 + id % 20));
        vm.prank(who(seed));
        try token.commit(commitment) {} catch {}
        vm.roll(block.number + 1);
    }

    function mint(uint256 seed, uint256 id) external {
        id = 1 + id % 20;
        vm.prank(who(seed));
        try token.mint(id, bytes32(id), bytes32(~id), DatasetToken.Kind(id % 3)) {
            assertEq(contributor[id], address(0), "minted twice");
            ids.push(id);
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

    function invariant_TheOriginNeverChangesHands() public view {
        for (uint256 i = 0; i < handler.count(); ++i) {
            uint256 id = handler.ids(i);
            assertEq(token.ownerOf(id), handler.holder(id));
            assertTrue(token.isOrigin(handler.origin(handler.contributor(id), id)));
            for (uint160 other = 0x1000; other < 0x1005; ++other) {
                if (address(other) != handler.contributor(id)) {
                    assertFalse(token.isOrigin(handler.origin(address(other), id)));
                }
            }
        }
    }
}
