using Millrace.Sqlite.Engine;
using Millrace.Storage;

namespace Millrace.Sqlite.State;

/// <summary>The documents, by key.</summary>
internal sealed class StateTable
{
    private readonly Statement _select;
    private readonly Statement _version;
    private readonly Statement _list;
    private readonly Statement _put;
    private readonly Statement _delete;

    public StateTable(Connection connection, string t)
    {
        _select = connection.Prepare($"SELECT version, value FROM {t}state WHERE key = ?1");
        _version = connection.Prepare($"SELECT version FROM {t}state WHERE key = ?1");
        _list = connection.Prepare($"SELECT key, version, value FROM {t}state WHERE key >= ?1 AND key <> ?2 ORDER BY key LIMIT ?3");
        _put = connection.Prepare($"INSERT INTO {t}state (key, version, value) VALUES (?1, ?2, ?3) ON CONFLICT (key) DO UPDATE SET version = ?2, value = ?3");
        _delete = connection.Prepare($"DELETE FROM {t}state WHERE key = ?1");
    }

    public long Version(string key) => _version.Bind(1, key).Scalar() ?? IStateStore.Absent;

    public StateDocument? Find(string key)
    {
        _select.Bind(1, key);
        if (!_select.Step())
        {
            return null;
        }

        var document = new StateDocument(key, _select.Blob(1).ToArray(), _select.Int64(0));
        _select.Reset();
        return document;
    }

    public List<StateDocument> List(string prefix, string after, int limit)
    {
        var documents = new List<StateDocument>();
        _list.Bind(1, PageStart.Of(prefix, after)).Bind(2, after).Bind(3, limit);
        while (_list.Step())
        {
            var key = _list.Text(0)!;
            if (!key.StartsWith(prefix, StringComparison.Ordinal))
            {
                // Keys with one prefix stand together, so the first without it is the end.
                _list.Reset();
                break;
            }

            documents.Add(new StateDocument(key, _list.Blob(2).ToArray(), _list.Int64(1)));
        }

        return documents;
    }

    public void Put(string key, long version, ReadOnlySpan<byte> value) => _put.Bind(1, key).Bind(2, version).Bind(3, value).Run();

    public void Delete(string key) => _delete.Bind(1, key).Run();
}
