namespace Millrace.Scheduling.Limits;

/// <summary>The slots that one run holds; disposing gives them up. Used by one run.</summary>
internal sealed class HeldSlots : IAsyncDisposable
{
    private readonly List<ConcurrencySlot> _slots = [];
    private CancellationTokenSource? _anyLost;

    /// <summary>Cancelled when one of them is lost.</summary>
    public CancellationToken Lost => _anyLost?.Token ?? (_slots.Count == 0 ? default : _slots[0].Lost);

    public void Add(ConcurrencySlot slot)
    {
        var before = Lost;
        _slots.Add(slot);
        if (_slots.Count > 1)
        {
            _anyLost = CancellationTokenSource.CreateLinkedTokenSource(before, slot.Lost);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var slot in _slots)
        {
            await slot.DisposeAsync().ConfigureAwait(false);
        }

        _slots.Clear();
        _anyLost?.Dispose();
        _anyLost = null;
    }
}
