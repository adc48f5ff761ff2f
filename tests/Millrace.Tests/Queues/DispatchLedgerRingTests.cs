using Millrace.Queues;
using Xunit;

namespace Millrace.Tests.Queues;

/// <summary>The ring remembers no more consumers than there are, about.</summary>
public sealed class DispatchLedgerRingTests
{
    private readonly DispatchLedger _ledger = new(settleOnLease: false);

    [Fact]
    public void Consumers_that_come_and_go_without_a_message_do_not_pile_up()
    {
        var stays = Join();
        for (var i = 0; i < 10_000; i++)
        {
            var guest = Join();
            Assert.NotNull(_ledger.Close(guest));
            Assert.False(_ledger.Leave(guest));
        }

        Assert.InRange(_ledger.RingCount, 1, 20);
        Assert.Equal(1, _ledger.FreeCredit);
        Assert.True(_ledger.TryTakeTurn(1, out var consumer, out var share));
        Assert.Same(stays, consumer);
        Assert.InRange(share, 1, 1);
    }

    private DispatchConsumer Join()
    {
        var consumer = new DispatchConsumer(null!, null!);
        Assert.True(_ledger.TryJoin(consumer, 1));
        return consumer;
    }
}
