// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {TwoStepOwnable} from "./TwoStepOwnable.sol";

/// @title The use of the chat, prepaid by the month
/// @notice Ether can't be pulled from a wallet, so months are paid ahead. What is paid stays paid: nothing but
/// another payment ever changes `paidUntil`. The income goes to the splitter, and with it the contributors' share: another
/// splitter is announced `SPLITTER_DELAY` before, and what came in until then still goes to the one before.
contract Subscription is TwoStepOwnable, Pausable {
    uint256 public constant MONTH = 30 days;
    uint256 public constant MAX_MONTHS = 12;
    /// @notice How long before another splitter takes over it is announced.
    uint256 public constant SPLITTER_DELAY = 30 days;
    /// @notice How long an announced splitter may take over: nobody can hold one ready for a surprise.
    uint256 public constant SPLITTER_WINDOW = 14 days;

    /// @notice Wei a month.
    uint256 public price;
    /// @notice Where the income goes; it pays out to the people and contracts behind it.
    address public splitter;
    /// @notice The splitter that was announced (zero: none), and from when on it may take over.
    address public nextSplitter;
    uint256 public nextSplitterFrom;
    /// @notice Until when (seconds since 1970) an address has paid.
    mapping(address user => uint256) public paidUntil;

    event Subscribed(address indexed user, address indexed payer, uint256 months, uint256 paid, uint256 until);
    event PriceChanged(uint256 price);
    event SplitterAnnounced(address indexed splitter, uint256 from);
    event SplitterChanged(address indexed splitter);
    event Withdrawn(address indexed splitter, uint256 amount);

    error WrongValue(uint256 due, uint256 sent);
    error PriceAbove(uint256 price, uint256 maxPrice);
    error WrongMonths(uint256 months);
    error ZeroAddress();
    error NoSplitterAnnounced();
    error SplitterNotDue(uint256 from, uint256 until);

    constructor(address owner_, uint256 price_, address splitter_) Ownable(owner_) {
        if (splitter_ == address(0)) revert ZeroAddress();
        splitter = splitter_;
        emit SplitterChanged(splitter_);
        _setPrice(price_);
    }

    /// @notice Pay `months` (1 to 12) for `user`, who need not be the sender.
    /// @param maxPrice the price that the payer agreed to; a change mined just before can't take more.
    function subscribe(address user, uint256 months, uint256 maxPrice) external payable whenNotPaused {
        if (user == address(0)) revert ZeroAddress();
        if (months == 0 || months > MAX_MONTHS) revert WrongMonths(months);
        if (price > maxPrice) revert PriceAbove(price, maxPrice);
        uint256 due = price * months;
        if (msg.value != due) revert WrongValue(due, msg.value);
        uint256 from = paidUntil[user];
        if (from < block.timestamp) from = block.timestamp;
        uint256 until = from + months * MONTH;
        paidUntil[user] = until;
        emit Subscribed(user, msg.sender, months, due, until);
    }

    /// @notice Tell whether `user` may ask now.
    function isActive(address user) external view returns (bool) {
        return paidUntil[user] > block.timestamp;
    }

    function setPrice(uint256 price_) external onlyOwner {
        _setPrice(price_);
    }

    /// @notice Announce another splitter; announcing the present one takes an announcement back.
    function announceSplitter(address splitter_) external onlyOwner {
        if (splitter_ == address(0)) revert ZeroAddress();
        nextSplitter = splitter_;
        nextSplitterFrom = block.timestamp + SPLITTER_DELAY;
        emit SplitterAnnounced(splitter_, nextSplitterFrom);
    }

    /// @notice Let the announced splitter take over. What came in before goes to the old one; should that refuse it, the
    /// change goes on all the same: it is the way out of a splitter that takes nothing.
    function changeSplitter() external onlyOwner {
        address next = nextSplitter;
        uint256 from = nextSplitterFrom;
        if (next == address(0)) revert NoSplitterAnnounced();
        if (block.timestamp < from || block.timestamp > from + SPLITTER_WINDOW) {
            revert SplitterNotDue(from, from + SPLITTER_WINDOW);
        }
        address before = splitter;
        uint256 amount = address(this).balance;
        splitter = next;
        nextSplitter = address(0);
        emit SplitterChanged(next);
        (bool paid,) = before.call{value: amount}("");
        if (paid) emit Withdrawn(before, amount);
    }

    /// @notice Stop taking payments; what is paid stays valid.
    function pause() external onlyOwner {
        _pause();
    }

    function unpause() external onlyOwner {
        _unpause();
    }

    /// @notice Move the income to the splitter; anyone may, it can go nowhere else.
    function withdraw() external returns (uint256 amount) {
        amount = address(this).balance;
        emit Withdrawn(splitter, amount);
        Address.sendValue(payable(splitter), amount);
    }

    function _setPrice(uint256 price_) private {
        price = price_;
        emit PriceChanged(price_);
    }
}
