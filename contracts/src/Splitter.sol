// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @title Income divided by fixed shares, pulled by each payee
/// @notice A payee that can't be paid holds up nobody else. Shares never change: another division is another splitter.
contract Splitter {
    address[] private _payees;
    mapping(address payee => uint256) public shares;
    mapping(address payee => uint256) public released;
    uint256 public immutable totalShares;
    uint256 public totalReleased;

    event Received(address indexed from, uint256 amount);
    event Released(address indexed payee, uint256 amount);

    error WrongPayees();
    error NothingDue(address payee);

    constructor(address[] memory payees_, uint256[] memory shares_) {
        if (payees_.length == 0 || payees_.length != shares_.length) revert WrongPayees();
        uint256 total = 0;
        for (uint256 i = 0; i < payees_.length; ++i) {
            if (payees_[i] == address(0) || shares_[i] == 0 || shares[payees_[i]] != 0) revert WrongPayees();
            shares[payees_[i]] = shares_[i];
            total += shares_[i];
        }
        totalShares = total;
        _payees = payees_;
    }

    receive() external payable {
        emit Received(msg.sender, msg.value);
    }

    function payees() external view returns (address[] memory) {
        return _payees;
    }

    /// @notice What `payee` can take now.
    function due(address payee) public view returns (uint256) {
        uint256 total = address(this).balance + totalReleased;
        return (total * shares[payee]) / totalShares - released[payee];
    }

    /// @notice Pay `payee` what is due; anyone may trigger it.
    function release(address payee) external returns (uint256 amount) {
        amount = due(payee);
        if (amount == 0) revert NothingDue(payee);
        released[payee] += amount;
        totalReleased += amount;
        emit Released(payee, amount);
        Address.sendValue(payable(payee), amount);
    }
}
