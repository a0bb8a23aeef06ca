// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {Subscription} from "../src/Subscription.sol";
import {Splitter} from "../src/Splitter.sol";
import {TwoStepOwnable} from "../src/TwoStepOwnable.sol";

/// A splitter that takes nothing.
contract Blocked {}

contract SubscriptionTest is Test {
    Subscription subscription;
    address owner = makeAddr("owner");
    address user = makeAddr("user");
    address friend = makeAddr("friend");
    address income = makeAddr("income");
    uint256 constant PRICE = 0.003 ether;

    function setUp() public {
        subscription = new Subscription(owner, PRICE, income);
        vm.deal(user, 100 ether);
        vm.warp(1_800_000_000);
    }

    function pay(uint256 months) internal {
        vm.prank(user);
        subscription.subscribe{value: PRICE * months}(user, months, PRICE);
    }

    function testFuzz_MonthsArePaidAhead(uint8 months) public {
        months = uint8(bound(months, 1, 12));
        vm.expectEmit(address(subscription));
        emit Subscription.Subscribed(user, user, months, PRICE * months, block.timestamp + 30 days * uint256(months));
        pay(months);
        assertEq(subscription.paidUntil(user), block.timestamp + 30 days * uint256(months));
    }

    function test_ItEndsAtExactlyThirtyDays() public {
        pay(1);
        vm.warp(block.timestamp + 30 days - 1);
        assertTrue(subscription.isActive(user));
        vm.warp(block.timestamp + 1);
        assertFalse(subscription.isActive(user));
    }

    function test_RenewalExtendsWhatIsLeft() public {
        pay(2);
        uint256 until = subscription.paidUntil(user);
        vm.warp(block.timestamp + 10 days);
        pay(1);
        assertEq(subscription.paidUntil(user), until + 30 days);
        vm.warp(until + 300 days);
        pay(1);
        assertEq(subscription.paidUntil(user), block.timestamp + 30 days);
    }

    function test_AGift() public {
        vm.prank(user);
        subscription.subscribe{value: PRICE}(friend, 1, PRICE);
        assertTrue(subscription.isActive(friend));
        assertFalse(subscription.isActive(user));
        vm.prank(user);
        vm.expectRevert(Subscription.ZeroAddress.selector);
        subscription.subscribe{value: PRICE}(address(0), 1, PRICE);
    }

    function testFuzz_OnlyTheExactValueIsTaken(uint96 value, uint8 months) public {
        months = uint8(bound(months, 1, 12));
        uint256 due = PRICE * months;
        vm.assume(value != due);
        vm.deal(user, value);
        vm.prank(user);
        vm.expectRevert(abi.encodeWithSelector(Subscription.WrongValue.selector, due, value));
        subscription.subscribe{value: value}(user, months, PRICE);
    }

    function testFuzz_WrongMonths(uint256 months) public {
        vm.assume(months == 0 || months > 12);
        vm.prank(user);
        vm.expectRevert(abi.encodeWithSelector(Subscription.WrongMonths.selector, months));
        subscription.subscribe{value: PRICE}(user, months, PRICE);
    }

    function test_APriceRaisedJustBeforeTakesNothing() public {
        vm.prank(owner);
        subscription.setPrice(1 ether);
        vm.prank(user);
        vm.expectRevert(abi.encodeWithSelector(Subscription.PriceAbove.selector, 1 ether, PRICE));
        subscription.subscribe{value: 1 ether}(user, 1, PRICE);
    }

    function testFuzz_APriceChangeNeverTouchesPaidTime(uint256 price) public {
        pay(3);
        uint256 until = subscription.paidUntil(user);
        vm.expectEmit(address(subscription));
        emit Subscription.PriceChanged(price);
        vm.prank(owner);
        subscription.setPrice(price);
        assertEq(subscription.paidUntil(user), until);
    }

    function test_PausedTakesNoPaymentsAndKeepsWhatIsPaid() public {
        pay(1);
        vm.prank(owner);
        subscription.pause();
        vm.prank(user);
        vm.expectRevert(Pausable.EnforcedPause.selector);
        subscription.subscribe{value: PRICE}(user, 1, PRICE);
        assertTrue(subscription.isActive(user));
        vm.prank(owner);
        subscription.unpause();
        pay(1);
    }

    function test_OnlyTheOwnerAdministers() public {
        bytes memory expected = abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, user);
        vm.startPrank(user);
        vm.expectRevert(expected);
        subscription.setPrice(1);
        vm.expectRevert(expected);
        subscription.announceSplitter(user);
        vm.expectRevert(expected);
        subscription.changeSplitter();
        vm.expectRevert(expected);
        subscription.pause();
        vm.expectRevert(expected);
        subscription.unpause();
    }

    function test_IncomeGoesToTheSplitterOnly() public {
        pay(4);
        assertEq(subscription.withdraw(), PRICE * 4);
        assertEq(income.balance, PRICE * 4);
    }

    function test_TheOwnerCantDivertTheIncomeWithoutNotice() public {
        vm.startPrank(owner);
        vm.expectRevert(Subscription.NoSplitterAnnounced.selector);
        subscription.changeSplitter();
        vm.expectRevert(Subscription.ZeroAddress.selector);
        subscription.announceSplitter(address(0));
        vm.expectRevert(Subscription.ZeroAddress.selector);
        new Subscription(owner, PRICE, address(0));
        uint256 from = block.timestamp + 30 days;
        vm.expectEmit(address(subscription));
        emit Subscription.SplitterAnnounced(friend, from);
        subscription.announceSplitter(friend);
        bytes memory notDue =
            abi.encodeWithSelector(Subscription.SplitterNotDue.selector, from, from + subscription.SPLITTER_WINDOW());
        vm.warp(from - 1);
        vm.expectRevert(notDue);
        subscription.changeSplitter();
        vm.stopPrank();
        pay(4);
        subscription.withdraw();
        assertEq(income.balance, PRICE * 4, "until then everything goes where it went");
        pay(2);
        vm.warp(from);
        vm.prank(owner);
        subscription.changeSplitter();
        assertEq(income.balance, PRICE * 6, "what came in before too");
        assertEq(subscription.splitter(), friend);
        pay(1);
        subscription.withdraw();
        assertEq(friend.balance, PRICE);
        vm.prank(owner);
        vm.expectRevert(Subscription.NoSplitterAnnounced.selector);
        subscription.changeSplitter();
    }

    function test_AnAnnouncementIsNotHeldReadyForEver() public {
        vm.startPrank(owner);
        subscription.announceSplitter(friend);
        uint256 from = subscription.nextSplitterFrom();
        vm.warp(from + 14 days + 1);
        vm.expectRevert(abi.encodeWithSelector(Subscription.SplitterNotDue.selector, from, from + 14 days));
        subscription.changeSplitter();
    }

    function test_ASplitterThatTakesNothingIsLeftBehind() public {
        subscription = new Subscription(owner, PRICE, address(new Blocked()));
        pay(1);
        vm.expectRevert();
        subscription.withdraw();
        vm.startPrank(owner);
        subscription.announceSplitter(income);
        vm.warp(block.timestamp + 30 days);
        subscription.changeSplitter();
        vm.stopPrank();
        assertEq(subscription.withdraw(), PRICE);
        assertEq(income.balance, PRICE);
    }

    function test_TheOwnershipIsNotGivenUp() public {
        vm.prank(owner);
        vm.expectRevert(TwoStepOwnable.OwnerNeeded.selector);
        subscription.renounceOwnership();
    }
}

contract PayHandler is Test {
    Subscription public subscription;
    uint256 public paid;
    uint256 public withdrawn;
    uint256 public announcedAt;
    mapping(address => uint256) public until;

    constructor(Subscription subscription_) {
        subscription = subscription_;
    }

    function subscribe(uint256 seed, uint256 months, uint256 skip) external {
        vm.warp(block.timestamp + skip % 90 days);
        months = 1 + months % 12;
        address user = address(uint160(0x2000 + seed % 4));
        uint256 price = subscription.price();
        vm.deal(address(this), price * months);
        uint256 before = subscription.paidUntil(user);
        subscription.subscribe{value: price * months}(user, months, price);
        until[user] = subscription.paidUntil(user);
        assertGe(until[user], before + months * 30 days);
        paid += price * months;
    }

    function reprice(uint96 price) external {
        vm.prank(subscription.owner());
        subscription.setPrice(price);
    }

    function withdraw() external {
        withdrawn += subscription.withdraw();
    }

    /// The owner tries to divert at any moment; `diverted` counts what went elsewhere without 30 days of notice.
    function announce(uint160 to) external {
        vm.prank(subscription.owner());
        try subscription.announceSplitter(address(0x10000 + to % 1000)) {
            announcedAt = block.timestamp;
        } catch {}
    }

    function change() external {
        uint256 balance = address(subscription).balance;
        address before = subscription.splitter();
        uint256 had = before.balance;
        vm.prank(subscription.owner());
        try subscription.changeSplitter() {
            assertGe(block.timestamp, announcedAt + 30 days, "without notice");
            assertEq(before.balance, had + balance, "what came in before was diverted");
            withdrawn += balance;
        } catch {}
    }
}

contract SubscriptionInvariants is Test {
    Subscription subscription;
    PayHandler handler;

    function setUp() public {
        subscription = new Subscription(makeAddr("owner"), 0.003 ether, makeAddr("income"));
        handler = new PayHandler(subscription);
        targetContract(address(handler));
    }

    function invariant_TheBalanceIsWhatWasPaidLessWhatWasWithdrawn() public view {
        assertEq(address(subscription).balance, handler.paid() - handler.withdrawn());
        for (uint160 user = 0x2000; user < 0x2004; ++user) {
            assertEq(subscription.paidUntil(address(user)), handler.until(address(user)));
        }
    }
}

contract SplitterTest is Test {
    Splitter splitter;
    address a = makeAddr("a");
    address b = makeAddr("b");

    function list(address x, address y) internal pure returns (address[] memory l) {
        l = new address[](2);
        (l[0], l[1]) = (x, y);
    }

    function numbers(uint256 x, uint256 y) internal pure returns (uint256[] memory l) {
        l = new uint256[](2);
        (l[0], l[1]) = (x, y);
    }

    function setUp() public {
        splitter = new Splitter(list(a, b), numbers(70, 30));
    }

    function fund(uint256 amount) internal {
        // With the 2,300 gas of `transfer` and nothing warm: whoever pays may be an old contract.
        vm.deal(address(this), amount);
        vm.cool(address(splitter));
        payable(address(splitter)).transfer(amount);
    }

    function testFuzz_EverybodyGetsTheirShare(uint96 first, uint96 second) public {
        vm.assume(first > 100 && second > 100);
        fund(first);
        splitter.release(a);
        fund(second);
        splitter.release(a);
        splitter.release(b);
        uint256 total = uint256(first) + second;
        assertApproxEqAbs(a.balance, total * 70 / 100, 1);
        assertApproxEqAbs(b.balance, total * 30 / 100, 1);
        assertEq(address(splitter).balance, total - a.balance - b.balance);
    }

    function test_NothingIsPaidTwice() public {
        fund(100);
        assertEq(splitter.due(a), 70);
        splitter.release(a);
        vm.expectRevert(abi.encodeWithSelector(Splitter.NothingDue.selector, a));
        splitter.release(a);
        vm.expectRevert(abi.encodeWithSelector(Splitter.NothingDue.selector, address(this)));
        splitter.release(address(this));
        assertEq(splitter.payees(), list(a, b));
    }

    function test_WrongPayees() public {
        vm.expectRevert(Splitter.WrongPayees.selector);
        new Splitter(new address[](0), new uint256[](0));
        vm.expectRevert(Splitter.WrongPayees.selector);
        new Splitter(list(a, b), new uint256[](1));
        vm.expectRevert(Splitter.WrongPayees.selector);
        new Splitter(list(a, address(0)), numbers(1, 1));
        vm.expectRevert(Splitter.WrongPayees.selector);
        new Splitter(list(a, b), numbers(1, 0));
        vm.expectRevert(Splitter.WrongPayees.selector);
        new Splitter(list(a, a), numbers(1, 1));
    }
}
