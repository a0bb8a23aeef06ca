// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC2981} from "@openzeppelin/contracts/interfaces/IERC2981.sol";
import {IERC4906} from "@openzeppelin/contracts/interfaces/IERC4906.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IpfsUri} from "./IpfsUri.sol";
import {RoyaltyVault} from "./RoyaltyVault.sol";

/// @title A dataset as an ERC-721 token
/// @notice The token id is the Merkle root of the dataset, so the root costs no storage and no dataset is minted twice.
/// Minting takes two steps. A mint shows the root; whoever copied it from the pending transactions would otherwise
/// own another's dataset. So the contributor first commits to the mint (`commit`: a hash that includes their
/// address and shows nothing), waits `revealDelay` blocks, and then mints. A thief who first learns the root from the mint
/// has no commitment that is old enough, and a copied commitment is of use to nobody but its author.
/// The client must get a mint mined within `revealDelay` blocks (it raises the fee of one that is stuck).
contract DatasetToken is ERC721, IERC2981, IERC4906, Ownable2Step {
    /// @notice What a dataset is for: `Positive` teaches the generator, `Negative` the discriminator.
    enum Kind {
        Positive,
        Negative,
        Conversation
    }

    /// @notice Everything that a commitment covers.
    struct Origin {
        address contributor;
        uint256 id;
        bytes32 content;
        bytes32 metadata;
        Kind kind;
    }

    uint96 public constant MAX_ROYALTY_BPS = 1_000;
    uint256 private constant _MINTED = type(uint256).max;

    /// @notice Blocks between a commitment and the mint that it allows.
    uint256 public immutable revealDelay;
    /// @notice Royalty on every sale, in hundredths of a percent of the price, to the token's contributor.
    uint96 public immutable royaltyBps;

    address private immutable _vault;
    bytes32 private _contractDigest;
    /// Commitment to the block it was made in; `_MINTED` once used, which proves who minted a token for one slot less.
    mapping(bytes32 commitment => uint256) private _commitments;
    mapping(uint256 id => bytes32) private _metadata;

    /// @notice A contributor announced a mint.
    event Committed(bytes32 indexed commitment);
    /// @notice A dataset was minted; who mints what can be searched in `Transfer`. `content` is the SHA-256 of the root block of what is on IPFS (encrypted or not).
    event DatasetMinted(uint256 indexed id, address contributor, Kind kind, bytes32 content, bytes32 metadata);
    /// @notice ERC-7572.
    event ContractURIUpdated();
    /// @notice A contributor collected the royalties of a token.
    event RoyaltiesCollected(uint256 indexed id, address indexed contributor, IERC20 indexed currency, uint256 amount);

    error CommitmentMissing();
    error CommitmentTooYoung(uint256 readyBlock);
    error CommitmentExists();
    error AlreadyMinted(uint256 id);
    error NotOwner(uint256 id);
    error NotTheOrigin(uint256 id);
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
        _vault = address(new RoyaltyVault(address(this)));
    }

    /// @notice The commitment that lets `origin.contributor` mint exactly this.
    function commitmentOf(Origin memory origin) public view returns (bytes32) {
        return keccak256(abi.encode(origin));
    }

    /// @notice The block from which on a commitment may be used: 0 when there is none, the maximum when it was used.
    function readyBlock(bytes32 commitment) external view returns (uint256) {
        uint256 made = _commitments[commitment];
        return made == 0 || made == _MINTED ? made : made + revealDelay;
    }

    /// @notice Announce a mint without showing what will be minted.
    function commit(bytes32 commitment) external {
        if (_commitments[commitment] != 0) revert CommitmentExists();
        _commitments[commitment] = block.number;
        emit Committed(commitment);
    }

    /// @notice Mint the dataset with Merkle root `id` to the sender, who committed to it earlier.
    /// @param content SHA-256 of the root block of the content on IPFS.
    /// @param metadata SHA-256 of the metadata JSON, a file of one raw block.
    function mint(uint256 id, bytes32 content, bytes32 metadata, Kind kind) external {
        // `commitmentOf` without the copy through memory: the same bytes.
        bytes32 commitment = keccak256(abi.encode(msg.sender, id, content, metadata, kind));
        uint256 made = _commitments[commitment];
        if (made == 0) revert CommitmentMissing();
        // A used commitment means a minted id, refused below; here it wraps round to more than any delay.
        unchecked {
            if (block.number - made < revealDelay) revert CommitmentTooYoung(made + revealDelay);
        }
        _commitments[commitment] = _MINTED;
        _metadata[id] = metadata;
        emit DatasetMinted(id, msg.sender, kind, content, metadata);
        // Not `_safeMint`: the sender asked for the token itself, and needs no call back to be asked whether it wants it.
        if (_update(msg.sender, id, address(0)) != address(0)) revert AlreadyMinted(id);
    }

    /// @notice Point a token at new metadata; only its owner may. What was minted (root, content) never changes.
    function setMetadata(uint256 id, bytes32 metadata) external {
        if (ownerOf(id) != msg.sender) revert NotOwner(id);
        _metadata[id] = metadata;
        emit MetadataUpdate(id);
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

    /// @notice Tell whether `origin` is how its token was minted, and so who contributed it.
    function isOrigin(Origin memory origin) public view returns (bool) {
        return _commitments[commitmentOf(origin)] == _MINTED;
    }

    /// @notice Where the royalties of a token collect; known before anything is deployed there.
    function royaltyVault(uint256 id) public view returns (address) {
        return Clones.predictDeterministicAddress(_vault, bytes32(id));
    }

    /// @inheritdoc IERC2981
    function royaltyInfo(uint256 id, uint256 price) external view returns (address receiver, uint256 amount) {
        return (royaltyVault(id), (price * royaltyBps) / 10_000);
    }

    /// @notice Send a token's royalties (`currency` zero: ether) to its contributor; anyone may trigger it.
    function collectRoyalties(Origin calldata origin, IERC20 currency) external returns (uint256 amount) {
        if (!isOrigin(origin)) revert NotTheOrigin(origin.id);
        address vault = royaltyVault(origin.id);
        if (vault.code.length == 0) vault = Clones.cloneDeterministic(_vault, bytes32(origin.id));
        amount = RoyaltyVault(payable(vault)).sweep(origin.contributor, currency);
        emit RoyaltiesCollected(origin.id, origin.contributor, currency, amount);
    }

    /// @inheritdoc ERC721
    function supportsInterface(bytes4 id) public view override(ERC721, IERC165) returns (bool) {
        // ERC-4906 fixes its interface id by name: it declares no function to compute it from.
        return id == type(IERC2981).interfaceId || id == bytes4(0x49064906) || super.supportsInterface(id);
    }
}
