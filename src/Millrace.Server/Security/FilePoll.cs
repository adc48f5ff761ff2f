using System.Security.Cryptography;
using System.Text;

namespace Millrace.Server.Security;

/// <summary>
/// Notices that files were edited, replaced or removed. It looks at them rather than be told: that works alike for edits in place, renames, links and shared folders,
/// and costs a few system calls a second. A fault is reported only when it stays, so that a file that is being written is not called broken.
/// </summary>
internal sealed class FilePoll : IDisposable
{
    private const int ReadsAfterAChange = 2;
    private const int LooksBetweenReads = 10;

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(400);

    private readonly Lock _gate = new();
    private readonly IReadOnlyList<string> _paths;
    private readonly Func<bool, bool> _apply;
    private ITimer? _timer;
    private string _signature;
    private string _applied;
    private string? _refused;
    private int _readsLeft;
    private int _looks;

    /// <summary>Remembers how the files are now. Whoever makes this reads the files after that, and then starts it: so nothing that is written in between is missed.</summary>
    /// <param name="paths">The files.</param>
    /// <param name="apply">Takes over what stands in the files now, and returns whether it could; told whether to report why not. Must not throw.</param>
    public FilePoll(IReadOnlyList<string> paths, Func<bool, bool> apply)
    {
        _paths = paths;
        _apply = apply;
        _signature = Signature();
        _applied = Content();
    }

    /// <summary>Begins to look.</summary>
    public void Start(TimeProvider timeProvider) =>
        _timer = timeProvider.CreateTimer(static poll => ((FilePoll)poll!).Look(), this, Interval, Interval);

    public void Dispose() => _timer?.Dispose();

    private void Look()
    {
        // A look that takes longer than the interval, as on a slow disk, is not joined by another.
        if (!_gate.TryEnter())
        {
            return;
        }

        try
        {
            if (MayHaveChangedLocked())
            {
                TakeOverLocked();
            }
        }
        finally
        {
            _gate.Exit();
        }
    }

    private bool MayHaveChangedLocked()
    {
        var signature = Signature();
        if (signature != _signature)
        {
            // Once more on the next looks: a second change within the clock's tick leaves the signature as it is.
            _signature = signature;
            _readsLeft = ReadsAfterAChange;
            return true;
        }

        _looks = (_looks + 1) % LooksBetweenReads;
        if (_readsLeft > 0)
        {
            _readsLeft--;
            return true;
        }

        return _refused is not null || _looks == 0;
    }

    private void TakeOverLocked()
    {
        var content = Content();
        if (content == _applied)
        {
            return;
        }

        var stays = content == _refused;
        if (_apply(stays) || stays)
        {
            _applied = content;
            _refused = null;
        }
        else
        {
            _refused = content;
        }
    }

    private string Signature()
    {
        var signature = new StringBuilder();
        foreach (var path in _paths)
        {
            try
            {
                var file = new FileInfo(path);
                var target = file.LinkTarget is null ? file : file.ResolveLinkTarget(returnFinalTarget: true) as FileInfo;
                if (target is { Exists: true })
                {
                    signature.Append(target.Length).Append('@').Append(target.LastWriteTimeUtc.Ticks);
                }
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                signature.Append(exception.GetType().Name);
            }

            signature.Append(';');
        }

        return signature.ToString();
    }

    private string Content()
    {
        var content = new StringBuilder();
        foreach (var path in _paths)
        {
            try
            {
                content.Append(Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(path))));
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                content.Append(exception.GetType().Name);
            }

            content.Append(';');
        }

        return content.ToString();
    }
}
