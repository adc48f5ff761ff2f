using Microsoft.Extensions.Configuration;
using Millrace.Configuration;
using Millrace.Storage;

namespace Millrace.Server.Configuration;

/// <summary>
/// What a node is configured to be, read from several sources of which the later ones override the earlier, with every fault that was found. Nothing is opened.
/// </summary>
internal sealed class ServerConfiguration
{
    public const string DefaultSource = "default";

    private static readonly string[] StoreFields = ["URL", "BACKEND"];

    private readonly Dictionary<ConfigurationKey, ConfiguredValue> _values = [];
    private readonly SortedDictionary<string, InstanceUrls> _instances = new(StringComparer.Ordinal);
    private readonly List<EffectiveValue> _effective = [];
    private readonly List<string> _faults = [];
    private readonly List<string> _remarks = [];

    private ServerConfiguration()
    {
    }

    public ServerSettings Settings { get; } = new();

    /// <summary>The instances by name.</summary>
    public IReadOnlyDictionary<string, InstanceUrls> Instances => _instances;

    /// <summary>Whether no instance was configured, so that the default store serves.</summary>
    public bool UsesDefaultStore { get; private set; }

    /// <summary>Every key with the value that holds.</summary>
    public IReadOnlyList<EffectiveValue> Effective => _effective;

    /// <summary>Everything that is wrong; a node cannot start with any of it.</summary>
    public IReadOnlyList<string> Faults => _faults;

    /// <summary>What one should know, although a node starts with it.</summary>
    public IReadOnlyList<string> Remarks => _remarks;

    /// <summary>Reads the sources.</summary>
    /// <param name="layers">The lowest first.</param>
    /// <param name="defaultStore">The URL of the store that serves when none is configured.</param>
    /// <param name="backends">The backends that a URL can name.</param>
    public static ServerConfiguration Read(IReadOnlyList<ConfigurationLayer> layers, string defaultStore, BackendRegistry backends)
    {
        var configuration = new ServerConfiguration();
        foreach (var layer in layers)
        {
            configuration._faults.AddRange(layer.Faults);
            configuration._remarks.AddRange(layer.Remarks);
            configuration.Lay(layer);
        }

        configuration.ReadInstances(defaultStore, backends);
        configuration.ReadServer();
        return configuration;
    }

    // A URL or a backend names another store: the options that a lower source gave to the one before do not go with it.
    private void Lay(ConfigurationLayer layer)
    {
        foreach (var value in layer.Values.Values.Where(value => StoreFields.Contains(value.Key.Field)))
        {
            foreach (var lower in _values.Keys.Where(key => (key.Prefix, key.Instance) == (value.Key.Prefix, value.Key.Instance)).ToList())
            {
                _values.Remove(lower);
            }
        }

        foreach (var value in layer.Values.Values)
        {
            _values[value.Key] = value;
        }
    }

    private void ReadInstances(string defaultStore, BackendRegistry backends)
    {
        var groups = _values.Values
            .Where(value => !ConfigurationKey.IsOfNode(value.Key.Prefix))
            .GroupBy(value => (value.Key.Prefix, value.Key.Instance))
            .OrderBy(group => group.Key.Instance, StringComparer.Ordinal).ThenBy(group => group.Key.Prefix, StringComparer.Ordinal)
            .ToList();
        foreach (var group in groups)
        {
            ReadInstance([.. group], backends);
            _effective.AddRange(group.OrderBy(value => value.Key.Field, StringComparer.Ordinal).Select(Show));
        }

        if (groups.Count == 0)
        {
            UsesDefaultStore = true;
            _instances[InstanceUrls.DefaultInstance] = new InstanceUrls { Queue = defaultStore };
            _effective.Add(new EffectiveValue("QUEUE__URL", BackendUrl.Parse(defaultStore).ToString(), DefaultSource));
        }
    }

    // Each shape of each instance by itself, so that a fault in one does not hide those of the others.
    private void ReadInstance(IReadOnlyList<ConfiguredValue> given, BackendRegistry backends)
    {
        try
        {
            var source = new ConfigurationBuilder().AddInMemoryCollection(given.Select(value => KeyValuePair.Create(value.Path, (string?)value.Value))).Build();
            var (name, urls) = InstanceConfiguration.Read(source).Single();
            _instances[name] = _instances.TryGetValue(name, out var others) ? Merge(others, urls) : urls;
            var url = BackendUrl.Parse(urls.Queue ?? urls.Stream ?? urls.Channel ?? urls.Lock ?? urls.State!);
            if (!backends.Names.Contains(url.FullScheme) && !backends.Names.Contains(url.Scheme))
            {
                throw new MillraceConfigurationException(BackendPackages.Missing(url.Scheme, backends.Names));
            }
        }
        catch (MillraceConfigurationException exception)
        {
            _faults.Add($"{exception.Message} ({string.Join("; ", given.Select(value => value.Origin))}.)");
        }
    }

    private static InstanceUrls Merge(InstanceUrls left, InstanceUrls right) => new()
    {
        Queue = left.Queue ?? right.Queue,
        Stream = left.Stream ?? right.Stream,
        Channel = left.Channel ?? right.Channel,
        Lock = left.Lock ?? right.Lock,
        State = left.State ?? right.State,
        Origin = $"{left.Origin}, {right.Origin}",
    };

    private static EffectiveValue Show(ConfiguredValue given) => new(given.Key.ToString(), Masked(given), given.Source);

    private static string Masked(ConfiguredValue given)
    {
        if (given.Key.Field != "URL")
        {
            return BackendUrl.IsSecret(given.Key.Field) ? "***" : given.Value;
        }

        try
        {
            return BackendUrl.Parse(given.Value).ToString();
        }
        catch (MillraceConfigurationException)
        {
            // What cannot be taken apart may hold a password anywhere.
            return "***";
        }
    }

    private void ReadServer()
    {
        foreach (var key in ServerKey.All)
        {
            var given = _values.GetValueOrDefault(key.Key);
            if (given is not null && !key.TrySet(Settings, given.Value))
            {
                _faults.Add($"{given.Origin} is '{given.Value}'. Allowed are {key.Allowed}.");
            }
        }

        ReadStomp();
        _effective.AddRange(ServerKey.All.Select(key => new EffectiveValue(key.Variable, key.Show(Settings), _values.GetValueOrDefault(key.Key)?.Source ?? DefaultSource)));
        FindUnknown();
        _faults.AddRange(Settings.Options.FindFaults().Select(fault => WithOrigin(fault, ServerKey.Urls)));
        if (Settings.Options.Security.FindFault() is { } security)
        {
            _faults.Add(security);
        }

        _faults.AddRange(Settings.Options.OptionalInstances
            .Where(name => !_instances.ContainsKey(name))
            .Select(name => MillraceServerOptions.DescribeUnknownOptional(name, _instances.Keys)));
    }

    private void ReadStomp()
    {
        var stomp = Settings.Stomp;
        if (!Settings.IsStompEnabled)
        {
            return;
        }

        // Whoever serves one instance by another name need not say it twice.
        if (!_values.ContainsKey(StompKeys.Instance.Key) && _instances.Count == 1)
        {
            stomp.Instance = _instances.Keys.Single();
        }

        Settings.Options.Stomp = stomp;
        _faults.AddRange(stomp.FindUrlFaults(Settings.Options.Security).Select(fault => WithOrigin(fault, StompKeys.Urls)));
        _faults.AddRange(stomp.Options.FindFaults());

        // One that is there and wrong is a fault already.
        var isNamed = _values.Keys.Any(key => !ConfigurationKey.IsOfNode(key.Prefix) && key.Instance.Equals(stomp.Instance, StringComparison.OrdinalIgnoreCase));
        if (!isNamed && !_instances.ContainsKey(stomp.Instance))
        {
            _faults.Add($"{StompServerOptions.DescribeUnknownInstance(stomp.Instance, _instances.Keys)} Name one with {StompKeys.Instance.Variable}, or serve without STOMP (--no-stomp).");
        }
    }

    private void FindUnknown()
    {
        var known = ServerKey.All.Select(key => key.Key).ToHashSet();
        foreach (var unknown in _values.Values.Where(value => ConfigurationKey.IsOfNode(value.Key.Prefix) && !known.Contains(value.Key)))
        {
            var keys = ServerKey.All.Where(key => key.Section == unknown.Key.Prefix).ToList();
            var meant = NearestName.Of(unknown.Key.Field, keys.Select(key => key.Key.Field));
            var hint = meant is null
                ? $"Known are {string.Join(", ", keys.Select(key => key.Name))}."
                : $"Did you mean {keys.First(key => key.Key.Field == meant).Variable}?";
            _faults.Add($"The configuration key {unknown.Origin} is unknown. {hint}");
        }
    }

    // A fault that names no URL is not the URLs'; but that is where most of them are from.
    private string WithOrigin(string fault, ServerKey urls) => _values.GetValueOrDefault(urls.Key) is { } given ? $"{fault} ({given.Origin}.)" : fault;
}
