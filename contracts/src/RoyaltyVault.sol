// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";

/// @title Where the royalties of one dataset token collect until its contributor takes them
/// @notice The address is known before the vault is deployed: marketplaces pay to it, nobody else can own it.
contract RoyaltyVault {
    using SafeERC20 for IERC20;

    /// @notice The contract that created this vault: the only one that may empty it.
    address public immutable token;

    error OnlyToken();

    constructor(address token_) {
        token = token_;
    }

    receive() external payable {}

    /// @notice Send everything of one currency (`currency` zero: ether) to `to`.
    function sweep(address to, IERC20 currency) external returns (uint256 amount) {
        if (msg.sender != token) revert OnlyToken();
        if (address(currency) == address(0)) {
            amount = address(this).balance;
            Address.sendValue(payable(to), amount);
        } else {
            amount = currency.balanceOf(address(this));
            currency.safeTransfer(to, amount);
        }
    }
}
