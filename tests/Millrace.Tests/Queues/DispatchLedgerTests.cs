using Millrace.Queues;
using Millrace.Storage;
using Xunit;

namespace Millrace.Tests.Queues;

public sealed class DispatchLedgerTests
{
    private readonly DispatchLedger _ledger = new(settleOnLease: true);

    [Fact]
    public void Turns_go_round_among_those_with_credit()
    {
        var consumers = new[] { Join(2), Join(0), Join(1) };

        Assert.Equal([0, 2, 0], Enumerable.Range(0, 3).Select(_ => Array.IndexOf(consumers, Deal(1))));
        Assert.False(_ledger.TryTakeTurn(1, out _, out _));
        Assert.Equal(0, _ledger.FreeCredit);
    }

    [Fact]
    public void A_share_is_the_rest_of_the_batch_over_those_who_can_take_something()
    {
        Join(100);
        Join(100);
        Join(100);

        Assert.True(_ledger.TryTakeTurn(10, out _, out var share));
        Assert.Equal(4, share);
    }

    [Fact]
    public void Credit_that_is_taken_back_between_turn_and_assignment_books_nothing_and_leaves_the_consumer_closable()
    {
        var consumer = Join(5);
        Assert.True(_ledger.TryTakeTurn(5, out var taken, out _));
        Assert.Equal(-5, _ledger.SetWindow(consumer, 0));

        Assert.Equal(0, _ledger.Assign(taken, null!, new Delivery[5], 0));

        Assert.Equal(0, _ledger.FreeCredit);
        Assert.Equal(5, _ledger.SetWindow(consumer, 5));
        Assert.Same(consumer, Deal(1));
        Assert.True(_ledger.Close(consumer)!.Value.Quiet.IsCompletedSuccessfully);
    }

    [Fact]
    public void A_consumer_is_closed_once_and_its_quiet_waits_for_callbacks()
    {
        var consumer = Join(1);
        Assert.True(_ledger.TryEnterCallback(consumer));

        var closing = _ledger.Close(consumer)!.Value;
        Assert.Equal(-1, closing.Change);
        Assert.Null(_ledger.Close(consumer));
        Assert.False(_ledger.TryEnterCallback(consumer));
        Assert.False(closing.Quiet.IsCompleted);
        _ledger.LeaveCallback(consumer);

        Assert.True(closing.Quiet.IsCompleted);
        Assert.True(_ledger.Leave(consumer));
        Assert.False(_ledger.TryJoin(new DispatchConsumer(null!, new RecordingSink()), 1));
    }

    [Fact]
    public void Added_credit_is_bounded()
    {
        var consumer = Join(1);
        for (var i = 0; i < 1_000; i++)
        {
            _ledger.AddCredit(consumer, DispatchConsumer.MaxCredit);
        }

        Assert.Equal(DispatchConsumer.MaxCredit, _ledger.FreeCredit);
    }

    [Fact]
    public void Random_credit_keeps_the_sum_and_the_ring()
    {
        var seed = TestScale.Seed();
        var random = new Random(seed);
        var consumers = Enumerable.Range(0, 20).Select(_ => Join(random.Next(5))).ToList();
        for (var step = 0; step < 20_000; step++)
        {
            var consumer = consumers[random.Next(consumers.Count)];
            switch (random.Next(5))
            {
                case 0:
                    _ledger.SetWindow(consumer, random.Next(6));
                    break;
                case 1:
                    _ledger.AddCredit(consumer, random.Next(1, 4));
                    break;
                case 2 when random.Next(50) == 0:
                    _ledger.Close(consumer);
                    consumers[consumers.IndexOf(consumer)] = Join(random.Next(5));
                    break;
                default:
                    Deal(random.Next(1, 10));
                    break;
            }

            Assert.True(consumers.Sum(each => (long)Math.Max(0, each.FreeCredit)) == _ledger.FreeCredit, $"seed {seed}, step {step}");
            Assert.True(consumers.TrueForAll(each => each.FreeCredit <= 0 || each.InRing), $"seed {seed}, step {step}");
        }
    }

    private DispatchConsumer Join(int credit)
    {
        var consumer = new DispatchConsumer(null!, new RecordingSink());
        Assert.True(_ledger.TryJoin(consumer, credit));
        return consumer;
    }

    private DispatchConsumer? Deal(int count)
    {
        if (!_ledger.TryTakeTurn(count, out var consumer, out var share))
        {
            return null;
        }

        if (_ledger.Assign(consumer, null!, new Delivery[share], 0) > 0)
        {
            _ledger.LeaveCallback(consumer);
        }

        return consumer;
    }
}
