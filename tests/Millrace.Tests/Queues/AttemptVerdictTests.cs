using Millrace.Queues;
using Millrace.Storage;
using Xunit;

namespace Millrace.Tests.Queues;

public sealed class AttemptVerdictTests
{
    private static readonly LeaseToken Token = new(1, 2);
    private static readonly TimeSpan MaxDelay = TimeSpan.FromDays(1);
    private static readonly RetryPolicy Policy = RetryPolicy.Fixed(TimeSpan.FromSeconds(5)).WithMaxAttempts(3);

    [Fact]
    public void Handled_messages_are_completed()
    {
        var verdict = Judge(HandlingResult.Complete);

        Assert.Equal(Settlement.Complete(Token), verdict.Settlement);
        Assert.Equal(AttemptOutcome.Handled, verdict.Outcome);
        Assert.Equal(HandlingResult.Complete, default);
    }

    [Fact]
    public void What_was_not_handled_goes_back_to_its_place_uncounted()
    {
        var verdict = Judge(HandlingResult.Return);

        Assert.Equal(Settlement.Release(Token, countAttempt: false), verdict.Settlement);
        Assert.Equal(AttemptOutcome.Returned, verdict.Outcome);
    }

    [Fact]
    public void A_failure_is_released_with_the_policys_delay_and_its_error_without_a_stack_trace()
    {
        var verdict = Judge(HandlingResult.Fail(Thrown("no such order")), attempt: 2);

        Assert.Equal(Settlement.Release(Token, TimeSpan.FromSeconds(5), error: "System.FormatException: no such order"), verdict.Settlement);
        Assert.Equal(AttemptOutcome.Retried, verdict.Outcome);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    public void The_last_attempt_of_the_policy_dead_letters(int attempt)
    {
        var verdict = Judge(HandlingResult.Fail("no"), attempt);

        Assert.Equal(Settlement.DeadLetter(Token, "max-attempts", "no"), verdict.Settlement);
        Assert.Equal(AttemptOutcome.DeadLettered, verdict.Outcome);
        Assert.Equal(Settlement.DeadLetter(Token, "max-attempts", "busy"), Judge(HandlingResult.RetryAfter(TimeSpan.FromSeconds(1), "busy"), attempt).Settlement);
    }

    [Fact]
    public void A_policy_without_attempts_of_its_own_leaves_the_bound_to_the_store() =>
        Assert.Equal(AttemptOutcome.Retried, Judge(HandlingResult.Fail("no"), attempt: 1_000_000, policy: RetryPolicy.Default).Outcome);

    [Fact]
    public void A_failure_that_is_not_retryable_dead_letters_at_once() =>
        Assert.Equal(
            Settlement.DeadLetter(Token, "not-retryable", "Millrace.InvalidMessageException: not valid"),
            Judge(HandlingResult.Fail(new InvalidMessageException("not valid"))).Settlement);

    [Fact]
    public void A_handler_may_choose_delay_and_dead_letter_itself()
    {
        Assert.Equal(Settlement.Release(Token, TimeSpan.FromMinutes(7), error: "busy"), Judge(HandlingResult.RetryAfter(TimeSpan.FromMinutes(7), "busy")).Settlement);
        Assert.Equal(Settlement.DeadLetter(Token, "unknown-customer", "no customer 7"), Judge(HandlingResult.DeadLetter("unknown-customer", "no customer 7")).Settlement);
        Assert.Throws<ArgumentOutOfRangeException>(() => HandlingResult.RetryAfter(TimeSpan.FromSeconds(-1)));
        Assert.Throws<ArgumentException>(() => HandlingResult.DeadLetter(""));
    }

    [Fact]
    public void No_delay_is_longer_than_the_store_takes() =>
        Assert.Equal(MaxDelay, Judge(HandlingResult.RetryAfter(MaxDelay * 2)).Settlement.Delay);

    [Fact]
    public void A_delay_function_or_condition_that_throws_costs_the_message_not_the_worker()
    {
        var brokenDelay = Judge(HandlingResult.Fail("no"), policy: RetryPolicy.Custom((_, _) => throw new InvalidOperationException("broken")));
        Assert.Equal("retry-policy-failed", brokenDelay.Settlement.Reason);
        Assert.Equal("System.InvalidOperationException: broken (while choosing a delay after: no)", brokenDelay.Settlement.Error);

        var brokenCondition = Judge(HandlingResult.Fail(Thrown("no")), policy: Policy.RetryWhen(_ => throw new InvalidOperationException("broken")));
        Assert.Equal("not-retryable", brokenCondition.Settlement.Reason);
    }

    [Fact]
    public void Errors_and_reasons_are_bounded_and_never_split_a_character()
    {
        var error = Judge(HandlingResult.Fail(string.Concat(Enumerable.Repeat("🚚", 5_000)))).Settlement.Error!;
        Assert.InRange(error.Length, AttemptVerdict.MaxErrorLength - 1, AttemptVerdict.MaxErrorLength);
        Assert.EndsWith("🚚…", error, StringComparison.Ordinal);
        Assert.Equal(200, Judge(HandlingResult.DeadLetter(new string('x', 1_000))).Settlement.Reason!.Length);
    }

    [Fact]
    public void A_wrapped_failure_shows_itself_and_not_its_wrapper() =>
        Assert.Equal("System.FormatException: no", AttemptVerdict.Describe(new AggregateException(new FormatException("no"))));

    private static FormatException Thrown(string message)
    {
        try
        {
            throw new FormatException(message);
        }
        catch (FormatException exception)
        {
            return exception;
        }
    }

    private static AttemptVerdict Judge(HandlingResult result, int attempt = 1, RetryPolicy? policy = null)
    {
        var delivery = new Delivery { Message = new Message { Id = "m", Body = default }, Token = Token, Attempt = attempt };
        return AttemptVerdict.Of(delivery, result, policy ?? Policy, MaxDelay, new Random(1));
    }
}
