using Xunit;

namespace Millrace.Stomp.Tests.Protocol;

/// <summary>What theories run over.</summary>
public static class Matrix
{
    /// <summary>The versions of the protocol.</summary>
    public static TheoryData<string> Versions => ["1.0", "1.1", "1.2"];

    /// <summary>The stores.</summary>
    public static TheoryData<string> Stores => ["memory", "sqlite"];

    /// <summary>Each store with each version.</summary>
    public static TheoryData<string, string> StoresAndVersions
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var store in new[] { "memory", "sqlite" })
            {
                foreach (var version in new[] { "1.0", "1.1", "1.2" })
                {
                    data.Add(store, version);
                }
            }

            return data;
        }
    }
}
