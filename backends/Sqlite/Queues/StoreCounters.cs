using Millrace.Sqlite.Engine;

namespace Millrace.Sqlite.Queues;

/// <summary>The store's counters. Each value is given out once; the row is written once a transaction.</summary>
internal sealed class StoreCounters
{
    private readonly Statement _select;
    private readonly Statement _update;
    private readonly StoreClock? _fenceClock;
    private long _sequence;
    private long _revision;
    private long _fence;
    private int _salt;
    private bool _isLoaded;
    private bool _isDirty;

    /// <summary>The counters of a store.</summary>
    /// <param name="connection">Reads and writes them.</param>
    /// <param name="t">The table prefix.</param>
    /// <param name="fenceClock">Leads the fences, where a power cut may take what was given out; null where every fence is flushed.</param>
    public StoreCounters(Connection connection, string t, StoreClock? fenceClock = null)
    {
        _fenceClock = fenceClock;
        _select = connection.Prepare($"SELECT salt, sequence, revision, fence FROM {t}store WHERE id = 1");
        _update = connection.Prepare($"UPDATE {t}store SET sequence = ?1, revision = ?2, fence = ?3 WHERE id = 1");
    }

    /// <summary>What keeps ids of two stores apart.</summary>
    public int Salt
    {
        get
        {
            Load();
            return _salt;
        }
    }

    public long Revision
    {
        get
        {
            Load();
            return _revision;
        }
    }

    public long NextSequence()
    {
        Load();
        _isDirty = true;
        return _sequence++;
    }

    public long NextRevision()
    {
        Load();
        _isDirty = true;
        return ++_revision;
    }

    /// <summary>
    /// A fence above all before. Where commits are not flushed, a power cut may take the newest counts, so there the wall clock, in microseconds, leads:
    /// it is ahead of any count that was given out.
    /// </summary>
    public long NextFence()
    {
        Load();
        _isDirty = true;
        _fence = Math.Max(_fence + 1, (_fenceClock?.Wall ?? 0) / TimeSpan.TicksPerMicrosecond);
        return _fence;
    }

    private void Load()
    {
        if (_isLoaded)
        {
            return;
        }

        if (!_select.Step())
        {
            throw new StorageCorruptException("The store table has lost its row.");
        }

        (_salt, _sequence, _revision, _fence) = (_select.Int32(0), _select.Int64(1), _select.Int64(2), _select.Int64(3));
        _select.Reset();
        _isLoaded = true;
    }

    public void Flush()
    {
        if (_isDirty)
        {
            _update.Bind(1, _sequence).Bind(2, _revision).Bind(3, _fence).Run();
            _isDirty = false;
        }
    }

    public void Forget() => (_isLoaded, _isDirty) = (false, false);
}
