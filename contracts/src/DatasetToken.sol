// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IERC2981} from "@openzeppelin/contracts/interfaces/IERC2981.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IpfsUri} from "./IpfsUri.sol";
import {TwoStepOwnable} from "./TwoStepOwnable.sol";

/// @title A dataset as an ERC-721 token
/// @notice The token id is made of its contributor (160 bits) and the beginning of the dataset's Merkle root (96 bits): it
/// costs no storage, tells who the royalties go to, and nobody can take or block another's, whatever they mint.
/// Two contributors may mint the same data; the older announcement tells who had it first. So that this can't be copied
/// minting takes two steps: the contributor announces a hash that includes their address and shows nothing (`commit`),
/// waits `revealDelay` blocks, and then mints. Whoever first learns the root from the mint announces later than its
/// contributor; a copied announcement is of use to nobody but its author.
/// What a token says of itself is fixed by its mint: nothing changes under the feet of whoever buys it.
contract DatasetToken is ERC721, IERC2981, TwoStepOwnable {
    /// @notice What a dataset is for: `Positive` teaches the generator, `Negative` the discriminator.
    enum Kind {
        Positive,
        Negative,
        Conversation
    }

    /// @notice Everything that a commitment covers.
    struct Origin {
        address contributor;
        bytes32 root;
        bytes32 content;
        bytes32 metadata;
        Kind kind;
    }

    uint96 public constant MAX_ROYALTY_BPS = 1_000;

    /// @notice Blocks between a commitment and the mint that it allows: as deep as a reorganisation can go, since that could
    /// put a copied announcement before the contributor's.
    uint256 public immutable revealDelay;
    /// @notice Royalty on every sale, in hundredths of a percent of the price, to the token's contributor.
    uint96 public immutable royaltyBps;

    bytes32 private _contractDigest;
    /// Commitment to the block it was made in, until it is used.
    mapping(bytes32 commitment => uint256) private _commitments;
    mapping(uint256 id => bytes32) private _metadata;

    /// @notice A contributor announced a mint.
    event Committed(bytes32 indexed commitment);
    /// @notice A dataset was minted, announced in block `announced`. `content` is the SHA-256 of the root block of what is
    /// on IPFS (encrypted or not).
    event DatasetMinted(
        uint256 indexed id,
        bytes32 indexed root,
        address indexed contributor,
        Kind kind,
        bytes32 content,
        bytes32 metadata,
        uint256 announced
    );
    /// @notice ERC-7572.
    event ContractURIUpdated();

    error CommitmentMissing();
    error CommitmentTooYoung(uint256 readyBlock);
    error AlreadyMinted(uint256 id);
    error RoyaltyTooHigh(uint96 bps);
    error ZeroDelay();

    constructor(address owner_, uint256 revealDelay_, uint96 royaltyBps_, bytes32 contractDigest)
        ERC721("gatllm datasets", "GATDATA")
        Ownable(owner_)
    {
        if (revealDelay_ == 0) revert ZeroDelay();
        if (royaltyBps_ > MAX_ROYALTY_BPS) revert RoyaltyTooHigh(royaltyBps_);
        revealDelay = revealDelay_;
        royaltyBps = royaltyBps_;
        _contractDigest = contractDigest;
    }

    /// @notice The id of a contributor's token of the dataset with this Merkle root.
    function idOf(address contributor, bytes32 root) public pure returns (uint256) {
        return (uint256(uint160(contributor)) << 96) | (uint256(root) >> 160);
    }

    /// @notice Who minted, or alone can mint, the token with this id.
    function contributorOf(uint256 id) public pure returns (address) {
        // 256 - 96 bits are left: nothing is cut off.
        // forge-lint: disable-next-line(unsafe-typecast)
        return address(uint160(id >> 96));
    }

    /// @notice The commitment that lets `origin.contributor` mint exactly this.
    function commitmentOf(Origin memory origin) external pure returns (bytes32) {
        return keccak256(abi.encode(origin));
    }

    /// @notice The block from which on a commitment may be used: 0 when there is none (any more).
    function readyBlock(bytes32 commitment) external view returns (uint256) {
        uint256 made = _commitments[commitment];
        return made == 0 ? 0 : made + revealDelay;
    }

    /// @notice Announce a mint without showing what will be minted. What is announced already stays as it is: whoever
    /// copies an announcement only makes it older for its author.
    function commit(bytes32 commitment) external {
        if (_commitments[commitment] != 0) return;
        _commitments[commitment] = block.number;
        emit Committed(commitment);
    }

    /// @notice Mint the sender's token of the dataset with Merkle root `root`, as committed to earlier.
    /// @param content SHA-256 of the root block of the content on IPFS.
    /// @param metadata SHA-256 of the metadata JSON, a file of one raw block.
    function mint(bytes32 root, bytes32 content, bytes32 metadata, Kind kind) external {
        // `commitmentOf` without the copy through memory: the same bytes.
        bytes32 commitment = keccak256(abi.encode(msg.sender, root, content, metadata, kind));
        uint256 made = _commitments[commitment];
        if (made == 0) revert CommitmentMissing();
        if (block.number < made + revealDelay) revert CommitmentTooYoung(made + revealDelay);
        delete _commitments[commitment];
        uint256 id = idOf(msg.sender, root);
        _metadata[id] = metadata;
        emit DatasetMinted(id, root, msg.sender, kind, content, metadata, made);
        // Not `_safeMint`: the sender asked for the token itself, and needs no call back to be asked whether it wants it.
        if (_update(msg.sender, id, address(0)) != address(0)) revert AlreadyMinted(id);
    }

    /// @notice The digest that `tokenURI` is rebuilt from.
    function metadataOf(uint256 id) external view returns (bytes32) {
        _requireOwned(id);
        return _metadata[id];
    }

    /// @inheritdoc ERC721
    function tokenURI(uint256 id) public view override returns (string memory) {
        _requireOwned(id);
        return IpfsUri.fromDigest(_metadata[id]);
    }

    /// @notice ERC-7572: metadata of the whole collection.
    function contractURI() external view returns (string memory) {
        return IpfsUri.fromDigest(_contractDigest);
    }

    /// @notice Point the collection at new metadata.
    function setContractMetadata(bytes32 digest) external onlyOwner {
        _contractDigest = digest;
        emit ContractURIUpdated();
    }

    /// @inheritdoc IERC2981
    /// @dev Straight to the contributor: a contract in between would have to take ether within the 2,300 gas of `transfer`,
    /// which a cold clone can't.
    function royaltyInfo(uint256 id, uint256 price) external view returns (address receiver, uint256 amount) {
        return (contributorOf(id), (price * royaltyBps) / 10_000);
    }

    /// @inheritdoc ERC721
    function supportsInterface(bytes4 id) public view override(ERC721, IERC165) returns (bool) {
        return id == type(IERC2981).interfaceId || super.supportsInterface(id);
    }
}
