using Microsoft.Extensions.Logging;

namespace Millrace.Server.Security.Users;

/// <summary>The users file as it is now: read again when it is edited or replaced. A version that is wrong, or gone, is logged, and the last good one stays.</summary>
internal sealed class LiveUsers : IDisposable
{
    private readonly string _path;
    private readonly ILogger _logger;
    private readonly FilePoll _poll;
    private UserDirectory _current;

    private LiveUsers(string path, TimeProvider timeProvider, ILogger logger)
    {
        _path = path;
        _logger = logger;
        _poll = new FilePoll([path], TryLoad);
        _current = Load(version: 1);
        _poll.Start(timeProvider);
    }

    public UserDirectory Current => Volatile.Read(ref _current);

    /// <summary>A new version is in force. Handlers must be quick and must not throw.</summary>
    public event Action? Changed;

    /// <summary>Reads the file, and begins to watch it.</summary>
    /// <exception cref="MillraceConfigurationException">The file is not there, or is wrong.</exception>
    public static LiveUsers Open(string path, TimeProvider timeProvider, ILogger logger) => new(path, timeProvider, logger);

    public void Dispose() => _poll.Dispose();

    private bool TryLoad(bool report)
    {
        try
        {
            Volatile.Write(ref _current, Load(_current.Version + 1));
            Changed?.Invoke();
            return true;
        }
        catch (MillraceConfigurationException exception)
        {
            if (report)
            {
                _logger.UsersRefused(_path, exception.Message);
            }

            return false;
        }
    }

    private UserDirectory Load(long version)
    {
        var document = UsersFile.Read(_path);
        var directory = new UserDirectory(document, version);
        _logger.UsersLoaded(_path, document.Users.Count, document.Roles.Count);
        WarnOfOthers();
        return directory;
    }

    private void WarnOfOthers()
    {
        const UnixFileMode Others = UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.GroupWrite;
        if (!OperatingSystem.IsWindows() && File.Exists(_path) && (File.GetUnixFileMode(_path) & Others) != 0)
        {
            _logger.UsersFileIsOpen(_path, Convert.ToString((int)File.GetUnixFileMode(_path), 8));
        }
    }
}
