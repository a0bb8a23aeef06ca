// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

/// @title The use of the chat, prepaid by the month
/// @notice Ether can't be pulled from a wallet, so months are paid ahead. What is paid stays paid: nothing but
/// another payment ever changes `paidUntil`.
contract Subscription is Ownable2Step, Pausable {
    uint256 public constant MONTH = 30 days;
    uint256 public constant MAX_MONTHS = 12;

    /// @notice Wei a month.
    uint256 public price;
    /// @notice Where the income goes; it pays out to the people and contracts behind it.
    address public splitter;
    /// @notice Until when (seconds since 1970) an address has paid.
    mapping(address user => uint256) public paidUntil;

    event Subscribed(address indexed user, address indexed payer, uint256 months, uint256 paid, uint256 until);
    event PriceChanged(uint256 price);
    event SplitterChanged(address indexed splitter);
    event Withdrawn(address indexed splitter, uint256 amount);

    error WrongValue(uint256 due, uint256 sent);
    error PriceAbove(uint256 price, uint256 maxPrice);
    error WrongMonths(uint256 months);
    error ZeroAddress();

    constructor(address owner_, uint256 price_, address splitter_) Ownable(owner_) {
        _setSplitter(splitter_);
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

    function setSplitter(address splitter_) external onlyOwner {
        _setSplitter(splitter_);
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

    function _setSplitter(address splitter_) private {
        if (splitter_ == address(0)) revert ZeroAddress();
        splitter = splitter_;
        emit SplitterChanged(splitter_);
    }
}
