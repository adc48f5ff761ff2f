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

    public LockTable(Connection connection, string t)
    {
        _select = connection.Prepare(
            $"SELECT l.owner, l.fence, l.deadline, o.domain FROM {t}lock l LEFT JOIN {t}owner o ON o.id = l.holder WHERE l.name = ?1");
        _insert = connection.Prepare($"INSERT OR REPLACE INTO {t}lock (name, owner, fence, deadline, holder) VALUES (?1, ?2, ?3, ?4, ?5)");
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

    public void Delete(string name) => _delete.Bind(1, name).Run();
}
