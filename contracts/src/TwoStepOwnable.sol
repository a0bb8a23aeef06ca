// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";

/// @title An owner who is replaced in two steps and can't be lost
/// @notice The new owner accepts, so that a mistyped address gets nothing; giving the ownership up is refused: prices
/// and rewards would stand still for ever.
abstract contract TwoStepOwnable is Ownable2Step {
    error OwnerNeeded();

    function renounceOwnership() public pure override {
        revert OwnerNeeded();
    }
}
