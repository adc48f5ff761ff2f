namespace Millrace.Scheduling.Limits;

/// <summary>The slots that one run holds; disposing gives them up. Used by one run.</summary>
internal sealed class HeldSlots : IAsyncDisposable
{
    private readonly List<ConcurrencySlot> _slots = [];

    /// <summary>Cancelled when one of them is lost.</summary>
    public CancellationToken Lost { get; private set; }

    public void Add(ConcurrencySlot slot)
    {
        _slots.Add(slot);

        // Of several, the type's own stands for all: each is renewed alike, and a process that loses one loses the others.
        Lost = slot.Lost;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var slot in _slots)
        {
            await slot.DisposeAsync().ConfigureAwait(false);
        }

        _slots.Clear();
    }
}
