using Millrace.Sqlite.Engine;

namespace Millrace.Sqlite.Locks;

/// <summary>A row of the lock table.</summary>
internal sealed record LockRow(string Owner, long Fence, long Deadline, string? HolderDomain);

/// <summary>The locks that are held, or were when their holder last looked. A free lock has no row: the fence is one counter for all names.</summary>
internal sealed class LockTable
{
    private readonly Statement _select;
    private readonly Statement _insert;
    private readonly Statement _delete;
    private readonly Statement _page;
    private string _swept = "";

    public LockTable(Connection connection, string t)
    {
        _select = connection.Prepare(
            $"SELECT l.owner, l.fence, l.deadline, o.domain FROM {t}lock l LEFT JOIN {t}owner o ON o.id = l.holder WHERE l.name = ?1");
        _insert = connection.Prepare($"INSERT OR REPLACE INTO {t}lock (name, owner, fence, deadline, holder) VALUES (?1, ?2, ?3, ?4, ?5)");
        _page = connection.Prepare(
            $"SELECT l.name, l.owner, l.fence, l.deadline, o.domain FROM {t}lock l LEFT JOIN {t}owner o ON o.id = l.holder WHERE l.name > ?1 ORDER BY l.name LIMIT ?2");
        _delete = connection.Prepare($"DELETE FROM {t}lock WHERE name = ?1");
    }

    public LockRow? Find(string name)
    {
        _select.Bind(1, name);
        if (!_select.Step())
        {
            return null;
        }

        var row = new LockRow(_select.Text(0)!, _select.Int64(1), _select.Int64(2), _select.Text(3));
        _select.Reset();
        return row;
    }

    public void Put(string name, string owner, long fence, long deadline, long holder) =>
        _insert.Bind(1, name).Bind(2, owner).Bind(3, fence).Bind(4, deadline).Bind(5, holder).Run();

    /// <summary>Deletes what is not held any more of the next rows in the order of names; after the last, it begins anew.</summary>
    /// <param name="limit">How many rows to look at.</param>
    /// <param name="isHeld">Whether a lock is held.</param>
    public void Sweep(int limit, Func<LockRow, bool> isHeld)
    {
        var page = new List<(string Name, LockRow Row)>(limit);
        _page.Bind(1, _swept).Bind(2, limit);
        while (_page.Step())
        {
            page.Add((_page.Text(0)!, new LockRow(_page.Text(1)!, _page.Int64(2), _page.Int64(3), _page.Text(4))));
        }

        foreach (var (name, row) in page)
        {
            if (!isHeld(row))
            {
                Delete(name);
            }
        }

        _swept = page.Count < limit ? "" : page[^1].Name;
    }

    public void Delete(string name) => _delete.Bind(1, name).Run();
}
